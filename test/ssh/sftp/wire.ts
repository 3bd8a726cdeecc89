/** SFTP packets for tests, written by hand from draft-ietf-secsh-filexfer-02. */
import { byte, string, uint32, uint64 } from '../../../src/wire.ts'

export const packet = (type: number, ...fields: readonly Buffer[]): Buffer => {
  const body = Buffer.concat([byte(type), ...fields])
  return Buffer.concat([uint32(body.length), body])
}

export const noAttributes = uint32(0)
export const init = (version = 3): Buffer => packet(1, uint32(version))
export const version = (number = 3): Buffer => packet(2, uint32(number))
/** Flags: 1 read, 2 write, 4 append, 8 create, 16 truncate, 32 exclusive. */
export const open = (id: number, path: string | Buffer, flags: number): Buffer =>
  packet(3, uint32(id), string(path), uint32(flags), noAttributes)
export const close = (id: number, handle: string): Buffer => packet(4, uint32(id), string(handle))
export const read = (id: number, handle: string, offset: number, bytes: number): Buffer =>
  packet(5, uint32(id), string(handle), uint64(BigInt(offset)), uint32(bytes))
export const write = (id: number, handle: string, offset: number, data: Buffer): Buffer =>
  packet(6, uint32(id), string(handle), uint64(BigInt(offset)), string(data))
export const onPath = (type: number, id: number, path: string | Buffer): Buffer =>
  packet(type, uint32(id), string(path))
export const extended = (id: number, name: string, ...fields: readonly Buffer[]): Buffer =>
  packet(200, uint32(id), string(name), ...fields)
export const setSize = (id: number, handle: string, size: number): Buffer =>
  packet(10, uint32(id), string(handle), uint32(1), uint64(BigInt(size)))

export const status = (id: number, code = 0, message = ''): Buffer =>
  packet(101, uint32(id), uint32(code), string(message), string('en'))
export const handle = (id: number, name: string): Buffer => packet(102, uint32(id), string(name))
export const data = (id: number, content: Buffer): Buffer => packet(103, uint32(id), string(content))
export const names = (id: number, ...paths: readonly string[]): Buffer =>
  packet(
    104,
    uint32(id),
    uint32(paths.length),
    ...paths.flatMap(path => [string(path), string(`-rw-r--r-- ${path}`), noAttributes]),
  )
export const attributes = (id: number, size: number): Buffer =>
  packet(105, uint32(id), uint32(1), uint64(BigInt(size)))
