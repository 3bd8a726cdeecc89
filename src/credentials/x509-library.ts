/** The one place that loads @peculiar/x509, after what it needs to be there first. */
import type * as x509 from '@peculiar/x509'

export type { x509 }
export type X509Library = typeof x509

/** When the first certificate is made: its two hundred files are a tenth of a start, and a gateway of SSH targets needs none of them. */
export async function loadX509(): Promise<X509Library> {
  await import('./reflect-metadata.ts')
  return import('@peculiar/x509')
}
