/**
 * A real S3 server on loopback for our tests: Ceph's radosgw with one monitor and one OSD that keeps everything in memory, as an
 * unprivileged user in a folder of its own.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import {
  AbortMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectVersionsCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { test } from 'vitest'
import { freePort } from './openssh.ts'

const programs = [
  'radosgw',
  'radosgw-admin',
  'ceph',
  'ceph-mon',
  'ceph-osd',
  'ceph-authtool',
  'monmaptool',
] as const
type Program = (typeof programs)[number]
const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/bin', '/usr/sbin', '/usr/local/bin']
const missing = programs.filter(name => pathOf(name) === undefined)

/** nobody's, where the tests run as root: no server needs more. */
const unprivileged = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {}
/** All objects together. */
const memoryBytes = 2 * 1024 * 1024 * 1024
const startMs = 90_000

export const objectStoreKeys = { accessKeyId: 'SALLYPORTTEST', secretAccessKey: 'not-so-secret-of-a-test' }

/** `test`, for tests that need the server: skipped with a sentence, or failed where peers are required. */
export function testWithObjectStore(name: string, run: () => Promise<unknown>, timeoutMs = 60_000): void {
  const words = `missing: ${missing.join(', ')} (apt-get install radosgw ceph-mon ceph-osd ceph-common)`
  if (missing.length === 0) test(name, { timeout: timeoutMs }, async () => void (await run()))
  else if (process.env['SALLYPORT_REQUIRE_PEERS'] === '1') test(name, () => Promise.reject(new Error(words)))
  else test(name, context => context.skip(words))
}

export const hasObjectStore = missing.length === 0

export type StoredVersion = { readonly key: string; readonly version: string; readonly bytes: number }

export class ObjectStore {
  readonly url: string
  readonly port: number
  readonly client: S3Client
  readonly #folder: string
  readonly #children: ChildProcess[]
  #buckets = 0

  private constructor(folder: string, port: number, children: ChildProcess[]) {
    this.#folder = folder
    this.port = port
    this.url = `http://127.0.0.1:${port}`
    this.#children = children
    this.client = new S3Client({
      endpoint: this.url,
      region: 'us-east-1',
      forcePathStyle: true,
      credentials: objectStoreKeys,
    })
  }

  static async start(): Promise<ObjectStore> {
    const folder = mkdtempSync(join(tmpdir(), 'sallyport-s3-'))
    const children: ChildProcess[] = []
    try {
      const port = await startServers(folder, children)
      return new ObjectStore(folder, port, children)
    } catch (cause) {
      await stopAll(folder, children)
      throw cause
    }
  }

  async bucket(options: { objectLock?: boolean } = {}): Promise<string> {
    const Bucket = `recordings-${++this.#buckets}`
    await this.client.send(
      new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: options.objectLock === true }),
    )
    if (this.#buckets === 1) await this.#warmUp(Bucket)
    return Bucket
  }

  /** The first object and the first upload make pools, which takes seconds. */
  async #warmUp(Bucket: string): Promise<void> {
    const at = { Bucket, Key: 'warm-up' }
    await this.client.send(new PutObjectCommand({ ...at, Body: 'x' }))
    const { UploadId } = await this.client.send(new CreateMultipartUploadCommand(at))
    await this.client.send(new AbortMultipartUploadCommand({ ...at, UploadId }))
    await this.client.send(new DeleteObjectCommand(at))
  }

  /** Every version of every object: a recording that was stored twice shows. */
  async versions(Bucket: string): Promise<readonly StoredVersion[]> {
    const { Versions = [] } = await this.client.send(new ListObjectVersionsCommand({ Bucket }))
    return Versions.map(({ Key = '', VersionId = '', Size = 0 }) => ({
      key: Key,
      version: VersionId,
      bytes: Size,
    }))
  }

  async uploadsUnderWay(Bucket: string): Promise<number> {
    const { Uploads = [] } = await this.client.send(new ListMultipartUploadsCommand({ Bucket }))
    return Uploads.length
  }

  async content(Bucket: string, Key: string): Promise<Buffer> {
    const { Body } = await this.client.send(new GetObjectCommand({ Bucket, Key }))
    return Buffer.from((await Body?.transformToByteArray()) ?? [])
  }

  async put(Bucket: string, Key: string, Body: Buffer): Promise<void> {
    await this.client.send(new PutObjectCommand({ Bucket, Key, Body }))
  }

  async deleteVersion(Bucket: string, Key: string, VersionId?: string): Promise<void> {
    await this.client.send(
      new DeleteObjectCommand({ Bucket, Key, ...(VersionId === undefined ? {} : { VersionId }) }),
    )
  }

  async stop(): Promise<void> {
    this.client.destroy()
    await stopAll(this.#folder, this.#children)
  }
}

function pathOf(name: Program): string | undefined {
  return folders.map(folder => join(folder, name)).find(path => existsSync(path))
}

const run = promisify(execFile)

async function startServers(folder: string, children: ChildProcess[]): Promise<number> {
  const [v2, v1, port] = [await freePort(), await freePort(), await freePort()]
  for (const name of ['', 'mon', 'osd', 'rgw', 'run', 'log', 'crash']) {
    if (name !== '') mkdirSync(join(folder, name))
    if (unprivileged.uid !== undefined) chownSync(join(folder, name), unprivileged.uid, unprivileged.gid)
  }
  const conf = join(folder, 'ceph.conf')
  const fsid = randomUUID()
  writeFileSync(conf, configurationOf(folder, fsid, { v2, v1, port }), { mode: 0o644 })
  const options = { ...unprivileged, timeout: startMs, env: { PATH: folders.join(delimiter), HOME: folder } }
  const call = (name: Program, ...args: readonly string[]) => run(pathOf(name) ?? name, [...args], options)
  const daemon = (name: Program, ...args: readonly string[]) => {
    const all = ['-c', conf, ...args, '-f']
    children.push(spawn(pathOf(name) ?? name, all, { ...options, timeout: undefined, stdio: 'ignore' }))
  }
  const keyring = join(folder, 'keyring')
  await call(
    'ceph-authtool',
    '--create-keyring',
    keyring,
    '--gen-key',
    '-n',
    'mon.',
    '--cap',
    'mon',
    'allow *',
  )
  const admin = ['--cap', 'mon', 'allow *', '--cap', 'osd', 'allow *', '--cap', 'mgr', 'allow *']
  await call('ceph-authtool', keyring, '--gen-key', '-n', 'client.admin', ...admin)
  await call(
    'ceph-authtool',
    keyring,
    '--gen-key',
    '-n',
    'osd.0',
    '--cap',
    'mon',
    'allow profile osd',
    '--cap',
    'osd',
    'allow *',
  )
  await call(
    'ceph-authtool',
    keyring,
    '--gen-key',
    '-n',
    'client.rgw.a',
    '--cap',
    'mon',
    'allow rw',
    '--cap',
    'osd',
    'allow rwx',
  )
  const map = join(folder, 'monmap')
  await call('monmaptool', '--create', '--fsid', fsid, '--addv', 'a', addresses(v2, v1), map)
  await call('ceph-mon', '-c', conf, '--mkfs', '-i', 'a', '--monmap', map, '--keyring', keyring)
  daemon('ceph-mon', '-i', 'a')
  const osd = randomUUID()
  await call('ceph', '-c', conf, 'osd', 'new', osd, '0')
  await call('ceph-osd', '-c', conf, '-i', '0', '--mkfs', '--osd-uuid', osd)
  daemon('ceph-osd', '-i', '0')
  daemon('radosgw', '-n', 'client.rgw.a')
  const { accessKeyId, secretAccessKey } = objectStoreKeys
  const user = [
    '--uid',
    'test',
    '--display-name',
    'test',
    '--access-key',
    accessKeyId,
    '--secret-key',
    secretAccessKey,
  ]
  await call('radosgw-admin', '-c', conf, '-n', 'client.rgw.a', 'user', 'create', ...user)
  await answers(`http://127.0.0.1:${port}`)
  return port
}

function addresses(v2: number, v1: number): string {
  return `[v2:127.0.0.1:${v2},v1:127.0.0.1:${v1}]`
}

/** One of everything, nothing on disk but the monitor's own state, and no timers that tests would wait for. */
function configurationOf(
  folder: string,
  fsid: string,
  ports: { v2: number; v1: number; port: number },
): string {
  return `[global]
fsid = ${fsid}
mon_initial_members = a
mon_host = ${addresses(ports.v2, ports.v1)}
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
ms_bind_ipv6 = false
keyring = ${folder}/keyring
auth_cluster_required = cephx
auth_service_required = cephx
auth_client_required = cephx
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pgp_num = 1
osd_pool_default_pg_autoscale_mode = off
mon_allow_pool_size_one = true
osd_crush_chooseleaf_type = 0
run_dir = ${folder}/run
admin_socket = ${folder}/run/$name.asok
pid_file = ${folder}/run/$name.pid
crash_dir = ${folder}/crash
log_file = ${folder}/log/$name.log
log_to_stderr = false
debug_rgw = 0
debug_ms = 0
osd_objectstore = memstore
memstore_device_bytes = ${memoryBytes}
mon_data = ${folder}/mon
osd_data = ${folder}/osd
mon_data_avail_warn = 1
mon_data_avail_crit = 1
[client.rgw.a]
rgw_data = ${folder}/rgw
rgw_frontends = beast endpoint=127.0.0.1:${ports.port}
rgw_enable_usage_log = false
rgw_enable_gc_threads = false
rgw_enable_lc_threads = false
rgw_run_sync_thread = false
`
}

async function answers(url: string): Promise<void> {
  for (const end = Date.now() + startMs; ; await sleep(100)) {
    const status = await fetch(url).then(
      answer => answer.status,
      () => 0,
    )
    if (status === 200) return
    if (Date.now() > end) throw new Error('radosgw does not answer')
  }
}

/** Only what was started here. */
async function stopAll(folder: string, children: readonly ChildProcess[]): Promise<void> {
  for (const child of [...children].toReversed()) {
    if (child.exitCode !== null || child.signalCode !== null) continue
    const gone = new Promise(resolve => child.once('exit', resolve))
    child.kill('SIGKILL') // nothing of it is kept
    await gone
  }
  rmSync(folder, { recursive: true, force: true })
}
