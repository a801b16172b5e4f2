import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { addLists } from '#api/quota/resource-list.ts';
import type { ResourceQuota } from '#api/types.generated.ts';
import type { QuotaStore } from '../../plugin.ts';
import { Reservations } from './reservations.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** One quota in memory; `others` writes it as another server does. */
function oneQuota() {
  let revision = 1;
  let used = '0';
  const quota = (): ResourceQuota => ({
    apiVersion: 'v1',
    kind: 'ResourceQuota',
    metadata: { name: 'q', namespace: 'ns', uid: 'u', resourceVersion: String(revision), creationTimestamp: '' },
    spec: {},
    status: { hard: { pods: '9' }, used: { pods: used } },
  });
  const store: QuotaStore = {
    list: () => [quota()],
    async write(one, status) {
      await turn();
      if (one.metadata.resourceVersion !== String(revision)) return undefined;
      used = String(status.used?.['pods']);
      return String(++revision);
    },
    objectsOf: async () => () => [],
  };
  const others = (count: string): void => {
    used = count;
    revision++;
  };
  return { store, used: () => used, others };
}

/** A write of one pod. */
const pod = { charge: () => new Map([['q', { pods: '1' }]]), dryRun: false };

describe('reservations', () => {
  it('share one write, and give back what was not written', async () => {
    const { store, used } = oneQuota();
    const reservations = new Reservations();
    const held = await Promise.all([1, 2, 3].map(() => reservations.reserve('ns', pod, store)));
    assert.equal(used(), '3');
    held[0]?.settle(false);
    held[1]?.settle(true);
    held[2]?.settle(true);
    await turn();
    await turn();
    assert.equal(used(), '2');
  });

  it('give nothing back where somebody else has counted since', async () => {
    const { store, used, others } = oneQuota();
    const held = await new Reservations().reserve('ns', pod, store);
    others('7');
    held?.settle(false);
    await turn();
    await turn();
    assert.equal(used(), '7');
  });

  it('are tried again when somebody else was faster', async () => {
    const { store, used, others } = oneQuota();
    const reserving = new Reservations().reserve('ns', pod, store);
    others('4');
    assert.ok(await reserving);
    assert.equal(used(), addLists({ pods: '4' }, { pods: '1' })['pods']);
  });

  it('are all settled before somebody counts, and wait until the count is written', async () => {
    const { store } = oneQuota();
    const reservations = new Reservations();
    const log: string[] = [];
    const reserving = reservations.reserve('ns', pod, store);
    const counting = reservations.count('ns', async () => void log.push('count'));
    const later = reservations.reserve('ns', pod, store).then((one) => {
      log.push('later');
      one?.settle(true);
    });
    const held = await reserving;
    for (let time = 0; time < 5; time++) await turn();
    assert.deepEqual(log, []);
    held?.settle(true);
    const counted = await counting;
    for (let time = 0; time < 5; time++) await turn();
    assert.deepEqual(log, ['count']);
    counted.settle(true);
    await later;
    assert.deepEqual(log, ['count', 'later']);
  });
});
