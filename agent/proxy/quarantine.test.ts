import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeClock } from '#client/clock.ts';
import { service } from './objects.testing.ts';
import { findRefused, Quarantine } from './quarantine.ts';
import { buildServiceState, type ServiceState } from './state.ts';

const services = Array.from({ length: 40 }, (_, index) =>
  service(`default/s${index}`, `10.96.0.${index + 1}`, [{ port: 80, protocol: index === 7 || index === 31 ? 'SCTP' : 'TCP' }]),
);
const state = (of = services): ServiceState => buildServiceState({ services: of, endpointSlices: [] }, { nodeName: 'here' });
const withoutSctp = async ({ ports }: ServiceState): Promise<boolean> => ports.every(({ protocol }) => protocol !== 'sctp');

describe('service ports that the kernel refuses', () => {
  it('are found among all others', async () => {
    const refused = await findRefused(state(), withoutSctp);
    assert.deepEqual(refused.map(({ name }) => name).sort(), ['s31', 's7']);
  });

  it('are not searched for when the kernel refuses everything', async () => {
    assert.deepEqual(await findRefused(state(), async () => false), []);
  });

  it('stay left out until they change, and are reported', async () => {
    const clock = new FakeClock(0);
    const quarantine = new Quarantine(clock, 1000);
    quarantine.add(await findRefused(state(), withoutSctp));
    const left = quarantine.without(state());
    assert.equal(left.ports.length, 38);
    assert.deepEqual(left.leftOut.map(({ object }) => object.name).sort(), ['s31', 's7']);
    const changed = services.map((one) =>
      one.metadata.name === 's7' ? { ...one, spec: { ...one.spec, ports: [{ port: 80, protocol: 'TCP' }] } } : one,
    );
    assert.deepEqual(
      quarantine.without(state(changed)).leftOut.map(({ object }) => object.name),
      ['s31'],
    );
    await clock.advance(1000);
    assert.equal(quarantine.without(state()).ports.length, 40);
  });
});
