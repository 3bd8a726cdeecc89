import { describe, expect, test } from 'vitest'
import { PacketBuffers } from '../../src/ssh/packet-buffers.ts'

describe('buffers of packets', () => {
  test('are not kept for small packets, nor for longer ones than data messages make', () => {
    const buffers = new PacketBuffers()
    expect(buffers.take(8 * 1024 - 1)).toBeUndefined()
    expect(buffers.take(36 * 1024 + 1)).toBeUndefined()
  })

  test('are one owner’s until they are given back, and then the next one’s', () => {
    const buffers = new PacketBuffers()
    const first = buffers.take(32_800) as Buffer
    const second = buffers.take(32_800) as Buffer
    expect(first.buffer).not.toBe(second.buffer)
    buffers.giveBack(first)
    expect(buffers.take(32_800)).toBe(first)
    expect(buffers.take(32_800)).not.toBe(second)
  })

  test('are long enough, and at most 4 KiB longer than asked for', () => {
    const buffers = new PacketBuffers()
    for (const bytes of [8192, 8193, 16_424, 20_480, 32_808, 36_864]) {
      const { length } = buffers.take(bytes) as Buffer
      expect(length).toBeGreaterThanOrEqual(bytes)
      expect(length).toBeLessThan(bytes + 4096)
    }
  })

  test('wait for use up to 4 MiB, whatever comes back', () => {
    const buffers = new PacketBuffers()
    const taken = Array.from({ length: 400 }, (_, index) => buffers.take(index % 2 === 0 ? 36_000 : 16_000))
    for (const buffer of taken) buffers.giveBack(buffer as Buffer)
    expect(buffers.spareBytes).toBeGreaterThan(4_000_000)
    expect(buffers.spareBytes).toBeLessThanOrEqual(4 * 1024 * 1024)
  })
})
