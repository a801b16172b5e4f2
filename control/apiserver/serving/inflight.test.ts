import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Flow } from '../flowcontrol/flow-schemas.ts';
import { parseRequestInfo } from '../rest/request-info.ts';
import { Inflight, tooManyRequests } from './inflight.ts';

const pods = '/api/v1/namespaces/default/pods';
const jane = { name: 'jane', groups: ['system:authenticated'], extra: {} };
const root = { name: 'root', groups: ['system:masters'], extra: {} };

describe('requests in flight', () => {
  it('are limited by kind, and a place is free again after the answer', () => {
    const inflight = new Inflight({ readOnly: 2, mutating: 1 });
    const create = parseRequestInfo('POST', pods);
    const leave = inflight.enter(create, jane);
    assert.ok(leave !== undefined);
    assert.equal(inflight.enter(create, jane), undefined);
    assert.ok(inflight.enter(parseRequestInfo('GET', pods), jane) !== undefined);
    assert.ok(inflight.enter(parseRequestInfo('GET', `${pods}/a`), jane) !== undefined);
    assert.equal(inflight.enter(parseRequestInfo('GET', '/version'), jane), undefined);
    leave();
    assert.ok(inflight.enter(create, jane) !== undefined);
    assert.deepEqual([inflight.takePeak('readOnly'), inflight.takePeak('mutating')], [2, 1]);
  });

  it('never keep out administrators, probes, watches and streams', () => {
    const inflight = new Inflight({ readOnly: 1, mutating: 1 });
    assert.ok(inflight.enter(parseRequestInfo('GET', pods), jane) !== undefined);
    assert.ok(inflight.enter(parseRequestInfo('GET', pods), root) !== undefined);
    for (const path of [`${pods}?watch=1`, `${pods}/a/log`, `${pods}/a/exec`, `${pods}/a/proxy/x`, '/readyz', '/livez/ping'])
      assert.ok(inflight.enter(parseRequestInfo('GET', path), jane) !== undefined, path);
    assert.equal(inflight.enter(parseRequestInfo('GET', '/healthzz'), jane), undefined);
    const flowOf = (type: string): Flow => ({ level: { spec: { type } } }) as Flow;
    assert.ok(inflight.enter(parseRequestInfo('GET', pods), jane, flowOf('Exempt')) !== undefined);
    assert.equal(inflight.enter(parseRequestInfo('GET', pods), jane, flowOf('Limited')), undefined);
  });

  it('know no limit at 0, and tell to come back in upstream’s words', async () => {
    const inflight = new Inflight({ readOnly: 0, mutating: 0 });
    for (let count = 0; count < 1000; count++) assert.ok(inflight.enter(parseRequestInfo('GET', pods), jane) !== undefined);
    const { status, headers, body } = tooManyRequests();
    assert.deepEqual([status, headers['retry-after']], [429, '1']);
    for await (const chunk of body) assert.equal(Buffer.from(chunk).toString(), 'Too many requests, please try again later.\n');
  });
});
