import { render } from 'preact'
import { Frame } from './frame.tsx'
import { Router } from './router.tsx'
import { applyTheme } from './settings.ts'
import './style.css'

applyTheme()
const root = document.getElementById('app')
if (root === null) throw new Error('#app is missing')
render(
  <Router>
    <Frame />
  </Router>,
  root,
)
