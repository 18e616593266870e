import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addressIn, networkOf } from '../src/network.ts'

test('a port behind an address makes no other network', () => {
  assert.equal(networkOf('1.2.3.4:5678'), '1.2.3.4')
  assert.equal(networkOf('[2001:db8:1:2::7]:99'), '2001:db8:1:2::/64')
  assert.equal(networkOf('[::ffff:203.0.113.7]:99'), '203.0.113.7')
  assert.equal(networkOf('[2001:db8:1:2::7]'), networkOf('2001:db8:1:2::8'))
})

test('what is no address is the one network of all that nobody can read', () => {
  for (const text of [
    '',
    'unknown',
    '_hidden',
    '1.2.3',
    '1.2.3.4:x',
    '[::1',
    '[1.2.3.4.5]:1',
    'a',
  ]) {
    assert.equal(addressIn(text), null, text)
    assert.equal(networkOf(text), 'unknown', text)
  }
})
