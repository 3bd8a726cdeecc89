/** The one place that loads @peculiar/x509, after what it needs to be there first. */
import './reflect-metadata.ts'
import * as x509 from '@peculiar/x509'

export { x509 }
