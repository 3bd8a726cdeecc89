/** How the report looks, on paper first. Its hash is in the page's policy, so that nothing else can style or run anything there. */
import { createHash } from 'node:crypto'

export const reportStyle = `
:root { color-scheme: light; }
body { font: 10.5pt/1.45 system-ui, sans-serif; color: #111; background: #fff; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; }
h1 { font-size: 17pt; margin: 0 0 .2rem; }
h2 { font-size: 12.5pt; margin: 1.6rem 0 .4rem; break-after: avoid; }
p { margin: .3rem 0; }
table { border-collapse: collapse; width: 100%; margin: .4rem 0; }
caption { text-align: left; color: #444; padding-bottom: .2rem; }
th, td { border: 1px solid #999; padding: .2rem .4rem; text-align: left; vertical-align: top; overflow-wrap: anywhere; }
thead { display: table-header-group; background: #eee; }
thead th { overflow-wrap: normal; }
tr { break-inside: avoid; }
td.mono, code, pre { font-family: ui-monospace, monospace; font-size: 9pt; white-space: pre-wrap; overflow-wrap: anywhere; }
h3 { font-size: 10.5pt; margin: 1rem 0 .2rem; break-after: avoid; }
pre.screen { font-size: 8pt; line-height: 1.2; border: 1px solid #999; padding: .3rem; margin: .2rem 0 .6rem; }
pre.screen.wide { font-size: 5.5pt; }
.quiet { color: #444; break-after: avoid; }
td.number { text-align: right; white-space: nowrap; }
td.time { white-space: nowrap; }
mark { background: #ffd; border: 1px solid #a60; padding: 0 .1rem; }
.facts th { width: 14rem; background: #f5f5f5; }
.note { border-left: 3px solid #a60; padding: .2rem .6rem; }
footer { margin-top: 2rem; border-top: 1px solid #999; color: #333; }
@page { size: A4; margin: 18mm 15mm; @bottom-right { content: counter(page) " / " counter(pages); font-size: 8pt; } }
@media print { body { margin: 0; max-width: none; padding: 0; } a { color: inherit; text-decoration: none; } }
`

export const reportPolicy: string = [
  "default-src 'none'",
  `style-src 'sha256-${createHash('sha256').update(reportStyle).digest('base64')}'`,
  "form-action 'none'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
  'sandbox allow-modals',
].join('; ')
