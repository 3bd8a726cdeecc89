export { View } from './sql/view.tsx'
