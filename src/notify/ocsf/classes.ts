/** The classes of OCSF 1.3.0 that we send, with those of their activities that we use. Source: schema.ocsf.io/1.3.0. */

export const ocsfVersion = '1.3.0'

export const activityOther = 99

/** `uid`: its category is the thousands; type_uid is uid × 100 + activity. */
export const classes = {
  base: { uid: 0, name: 'Base Event', category: 'Uncategorized', activities: {} },
  process: {
    uid: 1007,
    name: 'Process Activity',
    category: 'System Activity',
    activities: { Launch: 1 },
  },
  finding: {
    uid: 2004,
    name: 'Detection Finding',
    category: 'Findings',
    activities: { Create: 1, Update: 2, Close: 3 },
  },
  authentication: {
    uid: 3002,
    name: 'Authentication',
    category: 'Identity & Access Management',
    activities: { Logon: 1 },
  },
  entity: {
    uid: 3004,
    name: 'Entity Management',
    category: 'Identity & Access Management',
    activities: { Create: 1, Read: 2, Update: 3, Delete: 4 },
  },
  ssh: {
    uid: 4007,
    name: 'SSH Activity',
    category: 'Network Activity',
    activities: { Open: 1, Close: 2, Fail: 4, Refuse: 5, Traffic: 6 },
  },
  lifecycle: {
    uid: 6002,
    name: 'Application Lifecycle',
    category: 'Application Activity',
    activities: { Start: 3, Stop: 4 },
  },
  api: {
    uid: 6003,
    name: 'API Activity',
    category: 'Application Activity',
    activities: { Create: 1, Read: 2, Update: 3, Delete: 4 },
  },
  datastore: {
    uid: 6005,
    name: 'Datastore Activity',
    category: 'Application Activity',
    activities: { Read: 1, Update: 2, Connect: 3, Query: 4, Write: 5, Create: 6, Delete: 7 },
  },
  fileHosting: {
    uid: 6006,
    name: 'File Hosting Activity',
    category: 'Application Activity',
    activities: { Upload: 1, Download: 2, Update: 3, Delete: 4, Rename: 5, Open: 14 },
  },
} as const

export type OcsfClass = keyof typeof classes

/** OCSF's severity_id. */
export const severities = {
  informational: { id: 1, name: 'Informational' },
  low: { id: 2, name: 'Low' },
  medium: { id: 3, name: 'Medium' },
  high: { id: 4, name: 'High' },
  critical: { id: 5, name: 'Critical' },
} as const

export type OcsfSeverity = keyof typeof severities

export const statuses = {
  unknown: { id: 0, name: 'Unknown' },
  success: { id: 1, name: 'Success' },
  failure: { id: 2, name: 'Failure' },
} as const
