import { z } from 'zod'

/** A reason or purpose: one readable line, since it goes into rows, tombstones and logs. */
export const sentence = z
  .string()
  .trim()
  .min(1)
  .max(200)
  .regex(/^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]*$/u, 'has characters that do not show')
