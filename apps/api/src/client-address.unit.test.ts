import { expect, test } from 'vitest'
import { createAddressOf, isProxyName } from './client-address.ts'

/** As Node gives it: several headers of one name are one list. */
function asked(remoteAddress: string | undefined, forwarded?: string) {
  const request: object = {
    socket: { remoteAddress },
    headers: { ...(forwarded !== undefined && { 'x-forwarded-for': forwarded }) },
  }
  return request as Parameters<ReturnType<typeof createAddressOf>>[0]
}

test('with no trusted proxy the client is who is connected, whatever it claims', () => {
  const addressOf = createAddressOf([])
  expect(addressOf(asked('192.0.2.1', '203.0.113.9'))).toBe('192.0.2.1')
  expect(addressOf(asked('::ffff:192.0.2.1'))).toBe('192.0.2.1')
  expect(addressOf(asked('2001:db8::1'))).toBe('2001:db8:0:0::/64')
  expect(addressOf(asked(undefined))).toBe('unknown')
})

const proxied = createAddressOf(['10.0.0.0/8', '192.0.2.7', '2001:db8:ffff::/48'])

test.each([
  // Not a proxy of ours: its claims are its own.
  ['198.51.100.1', '203.0.113.9', '198.51.100.1'],
  ['10.0.0.1', undefined, '10.0.0.1'],
  ['10.0.0.1', '203.0.113.9', '203.0.113.9'],
  ['::ffff:10.0.0.1', '203.0.113.9', '203.0.113.9'],
  ['2001:db8:ffff::1', '2001:db8:1::1', '2001:db8:1:0::/64'],
  // What the client itself wrote stands before what the first proxy of ours added.
  ['10.0.0.1', '1.1.1.1, 203.0.113.9', '203.0.113.9'],
  ['10.0.0.1', '1.1.1.1, 203.0.113.9, 10.9.9.9,192.0.2.7', '203.0.113.9'],
  ['10.0.0.1', '1.1.1.1, 203.0.113.9, ::ffff:10.9.9.9', '203.0.113.9'],
  // All of them are proxies: the first one asks for itself.
  ['10.0.0.1', '10.0.0.3, 10.0.0.2', '10.0.0.3'],
  // What no address is counts as whoever passed it on.
  ['10.0.0.1', 'unknown', '10.0.0.1'],
  ['10.0.0.1', '203.0.113.9, _hidden, 10.0.0.2', '10.0.0.2'],
  ['10.0.0.1', '', '10.0.0.1'],
  ['10.0.0.1', '203.0.113.9:4711', '203.0.113.9'],
  ['10.0.0.1', '[2001:db8:1::1]:443', '2001:db8:1:0::/64'],
])('connected %s, forwarded for %s: %s', (remote, forwarded, client) => {
  expect(proxied(asked(remote, forwarded))).toBe(client)
})

test('what may be named as a proxy', () => {
  for (const name of ['10.0.0.1', '10.0.0.0/8', '0.0.0.0/0', '::1', '2001:db8::/32', '::/128']) {
    expect([name, isProxyName(name)]).toEqual([name, true])
    expect(() => createAddressOf([name])).not.toThrow()
  }
  for (const name of ['', 'localhost', '10.0.0.0/33', '10.0.0.0/', '::/129', '10.0.0.0/8/8', '10.0.0.0/-1'])
    expect([name, isProxyName(name)]).toEqual([name, false])
})
