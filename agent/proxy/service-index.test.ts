import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { atOnce } from '#api/steps.ts';
import type { EndpointSlice, Service } from '#api/types.generated.ts';
import { endpoint, service, slice } from './objects.testing.ts';
import { ServiceIndex } from './service-index.ts';
import { buildServiceState } from './state.ts';

const http = [{ name: 'http', port: 80 }];
const options = { nodeName: 'here', family: 'IPv4' } as const;

const step = fc.record({
  what: fc.constantFrom('setService', 'deleteService', 'setSlice', 'moveSlice', 'deleteSlice', 'badSlice', 'read'),
  name: fc.integer({ min: 0, max: 3 }),
  last: fc.integer({ min: 1, max: 3 }),
});

describe('ServiceIndex', () => {
  it('has the state that all objects together give, after any changes', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const index = new ServiceIndex(options);
        const services = new Map<number, Service>();
        const slices = new Map<number, EndpointSlice>();
        const check = (): void => {
          const expected = buildServiceState({ services: [...services.values()], endpointSlices: [...slices.values()] }, options);
          const got = atOnce(index.state());
          assert.deepEqual(got.ports, expected.ports);
          assert.deepEqual(
            got.leftOut.map(({ object }) => object.name).sort(),
            expected.leftOut.map(({ object }) => object.name).sort(),
          );
        };
        const putSlice = (name: number, next: EndpointSlice): void => {
          next.metadata.name = `slice-${name}`;
          index.setSlice(next, slices.get(name));
          slices.set(name, next);
        };
        for (const { what, name, last } of steps) {
          if (what === 'setService') {
            services.set(name, service(`default/s${name}`, `10.96.0.${last}`, http));
            index.setService(services.get(name) as Service);
          } else if (what === 'deleteService') {
            index.deleteService(services.get(name) ?? service(`default/s${name}`, '10.96.0.1', http));
            services.delete(name);
          } else if (what === 'setSlice') putSlice(name, slice(`default/s${name}`, http, [endpoint(`10.0.0.${last}`)]));
          else if (what === 'moveSlice') putSlice(name, slice(`default/s${last}`, http, [endpoint(`10.0.0.${last}`)]));
          else if (what === 'badSlice') {
            const bad = slice(`default/s${name}`, http, []);
            Object.defineProperty(bad.metadata, 'labels', { get: () => JSON.parse('{') as never, configurable: true });
            putSlice(name, bad);
          } else if (what === 'deleteSlice') {
            const old = slices.get(name);
            if (old !== undefined) index.deleteSlice(old);
            slices.delete(name);
          } else check();
        }
        check();
      }),
      { numRuns: 300 },
    );
  });

  it('keeps the ports of services that have not changed, as the same objects', () => {
    const index = new ServiceIndex(options);
    for (const name of ['a', 'b']) {
      index.setService(service(`default/${name}`, '10.96.0.1', http));
      index.setSlice(slice(`default/${name}`, http, [endpoint('10.0.0.1')]));
    }
    const before = atOnce(index.state()).ports;
    index.setSlice(slice('default/b', http, [endpoint('10.0.0.2')]), slice('default/b', http, []));
    const after = atOnce(index.state()).ports;
    assert.equal(after[0], before[0]);
    assert.notEqual(after[1], before[1]);
    assert.deepEqual(
      after[1]?.endpoints.map(({ address }) => address),
      ['10.0.0.2:80'],
    );
  });

  it('reads all services again when the zone of the node changes', () => {
    const index = new ServiceIndex(options);
    index.setService(service('default/a', '10.96.0.1', http));
    const hinted = (ip: string, zone: string) => endpoint(ip, 'there', undefined, { forZones: [{ name: zone }] });
    index.setSlice(slice('default/a', http, [hinted('10.0.0.1', 'x'), hinted('10.0.0.2', 'y')]));
    const used = (): string[] => (atOnce(index.state()).ports[0]?.chosen.cluster ?? []).map(({ ip }) => ip);
    assert.deepEqual(used(), ['10.0.0.1', '10.0.0.2']);
    index.setZone('y');
    assert.deepEqual(used(), ['10.0.0.2']);
  });
});
