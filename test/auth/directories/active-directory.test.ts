import { after, before, test } from 'node:test'
import { component } from '../../kit/components.ts'
import { openDomainPlace } from './domain-place.ts'
import type { DomainPlace } from './domain-place.ts'
import { directoryConformance } from './conformance.ts'

const { missing } = component('samba')
let place: DomainPlace

if (missing !== null) test('Active Directory', { skip: missing })
else {
  before(async () => {
    place = await openDomainPlace()
  })
  after(async () => await place.close())
  directoryConformance('Active Directory', () => place)
}
