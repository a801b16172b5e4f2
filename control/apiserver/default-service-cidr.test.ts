import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { Condition } from '#api/types.generated.ts';
import { FakeClock } from '#client/clock.ts';
import { startTestServer, type TestServer } from './api-server.testing.ts';
import { DefaultServiceCidr } from './default-service-cidr.ts';
import { silentLog } from './serving/server-log.ts';

const path = '/apis/networking.k8s.io/v1/servicecidrs/kubernetes';
let api: TestServer;
let told: string[];
beforeEach(async () => {
  told = [];
  api = await startTestServer();
});
afterEach(() => api.stop());

const keeper = (...cidrs: string[]): DefaultServiceCidr => {
  const events = {
    event: (_about: object, type: string, reason: string, message: string) => void told.push(`${type} ${reason}: ${message}`),
  };
  return new DefaultServiceCidr({ client: api.client, clock: new FakeClock(), events, log: silentLog }, cidrs);
};
async function stored(): Promise<{ cidrs: string[]; conditions: Condition[] }> {
  const { json } = await api.request('GET', path);
  const { spec, status } = json as unknown as { spec: { cidrs: string[] }; status: { conditions?: Condition[] } };
  return { cidrs: spec.cidrs, conditions: status.conditions ?? [] };
}
const patchStatus = (conditions: object[]) =>
  api.request('PATCH', `${path}/status`, { status: { conditions } }, { 'content-type': 'application/merge-patch+json' });

describe('the default ServiceCIDR', () => {
  it('is made, is ready, and stays as it is', async () => {
    const one = keeper('10.96.0.0/16');
    await one.sync();
    const { cidrs, conditions } = await stored();
    assert.deepEqual(
      [cidrs, conditions.map(({ type, status, message }) => [type, status, message])],
      [['10.96.0.0/16'], [['Ready', 'True', 'Kubernetes default Service CIDR is ready']]],
    );
    const revision = await api.store.currentRevision();
    await one.sync();
    assert.equal(await api.store.currentRevision(), revision);
    await api.request('DELETE', path);
    await one.sync();
    assert.deepEqual((await stored()).cidrs, ['10.96.0.0/16']);
  });

  it('is not changed to what the flag says now; that is told once', async () => {
    await keeper('10.96.0.0/16').sync();
    const other = keeper('10.97.0.0/16');
    await other.sync();
    await other.sync();
    assert.deepEqual((await stored()).cidrs, ['10.96.0.0/16']);
    assert.deepEqual(told, [
      'Warning KubernetesDefaultServiceCIDRInconsistent: The default ServiceCIDR [10.96.0.0/16] does not match the controller flag configurations [10.97.0.0/16]',
    ]);
  });

  it('gets a second range when the flag has one', async () => {
    await keeper('10.96.0.0/16').sync();
    await keeper('10.96.0.0/16', 'fd00::/112').sync();
    assert.deepEqual((await stored()).cidrs, ['10.96.0.0/16', 'fd00::/112']);
  });

  it('stays not ready where somebody says so; that is told once', async () => {
    const one = keeper('10.96.0.0/16');
    await one.sync();
    const condition = {
      type: 'Ready',
      status: 'False',
      reason: 'Broken',
      message: 'no route',
      lastTransitionTime: '2026-01-01T00:00:00Z',
    };
    await patchStatus([condition]);
    await one.sync();
    await one.sync();
    assert.deepEqual(
      [(await stored()).conditions[0]?.status, told],
      ['False', ['Warning Broken: Configuration matches, but no route']],
    );
    await patchStatus([]);
    await one.sync();
    assert.equal((await stored()).conditions[0]?.status, 'True');
  });
});
