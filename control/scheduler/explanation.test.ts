import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestServer, type TestServer } from '#control/apiserver/api-server.testing.ts';
import { DebugPages } from '#control/apiserver/serving/debug-pages.ts';
import { chooseNode } from './decide.ts';
import { createDecisionLog, type Decision } from './decision-log.ts';
import { podRecord, podRecordPath } from './explanation.ts';
import { node, pod, snapshotOf } from './objects.testing.ts';
import { filterPlugins, scorePlugins } from './plugins.ts';
import { freeSpaceScore } from './score/free-space.ts';

const user = (name: string) => ({ name, groups: ['system:authenticated'], extra: {} });

describe('the decision record', () => {
  it('is the textbook’s example: 5 CPUs asked, 10 and 20 free; 5 against 15, and the second wins', () => {
    const nodes = [node('first', { allocatable: { cpu: '10' } }), node('second', { allocatable: { cpu: '20' } })];
    const plugins = { filters: filterPlugins, scores: [freeSpaceScore()] };
    const choice = chooseNode(pod('p', { cpu: '5' }), snapshotOf(nodes), new Map(), plugins, () => 0);
    const log = createDecisionLog();
    const about = { namespace: 'default', name: 'p', uid: 'uid-p' };
    log.add({ pod: about, atMs: 0, attempt: 1, outcome: { kind: 'scheduled', node: choice.node ?? '' }, choice });
    const record = podRecord({ explain: (key) => ({ decisions: log.list(key), remedies: [] }) }, `${podRecordPath}default/p`);
    assert.deepEqual(record?.attempts[0]?.outcome, { kind: 'scheduled', node: 'second' });
    assert.deepEqual(
      record.attempts[0]?.nodes.map(({ node: name, scores }) => [name, scores?.map(({ plugin, raw }) => `${plugin} ${raw}`)]),
      [
        ['first', ['FreeSpace 5']],
        ['second', ['FreeSpace 15']],
      ],
    );
  });

  it('keeps the last attempts of each pod, and no more verdicts than it may', () => {
    const snapshot = snapshotOf(Array.from({ length: 50 }, (_, index) => node(`n${index}`)));
    const choice = chooseNode(pod('p'), snapshot, new Map(), { filters: filterPlugins, scores: scorePlugins }, () => 0);
    const log = createDecisionLog({ decisions: 100, perPod: 2, verdicts: 350 });
    const about = (name: string) => ({ namespace: 'default', name, uid: `uid-${name}` });
    const kept = (): string[] => log.list().map(({ pod: { name }, attempt }: Decision) => `${name}${attempt}`);
    for (let attempt = 1; attempt <= 3; attempt++)
      log.add({ pod: about('p'), atMs: 0, attempt, outcome: { kind: 'error', message: '' } });
    assert.deepEqual(kept(), ['p2', 'p3']);
    for (let attempt = 1; attempt <= 10; attempt++)
      log.add({ pod: about(`q${attempt}-`), atMs: 0, attempt, outcome: { kind: 'error', message: '' }, choice });
    assert.deepEqual(kept(), ['q8-8', 'q9-9', 'q10-10']);
  });

  describe('as it is served', () => {
    let server: TestServer;
    before(async () => {
      const debug = new DebugPages();
      const decision: Decision = {
        pod: { namespace: 'default', name: 'p', uid: 'u' },
        atMs: 0,
        attempt: 1,
        outcome: { kind: 'scheduled', node: 'a' },
        nodes: [{ node: 'a' }],
      };
      const explain = (key: string) => ({ decisions: key === 'default/p' ? [decision] : [], remedies: [] });
      debug.add(podRecordPath, (path) => podRecord({ explain }, path));
      server = await startTestServer({ modes: ['RBAC'], deps: { debug } });
    });
    after(() => server.stop());

    it('is shown to those whom a role allows it', async () => {
      const path = `${podRecordPath}default/p`;
      assert.equal((await server.as(user('jane'))('GET', path)).status, 403);
      const role = { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', metadata: { name: 'why' } };
      const rules = [{ nonResourceURLs: ['/debug/scheduler/*'], verbs: ['get'] }];
      await server.request('POST', '/apis/rbac.authorization.k8s.io/v1/clusterroles', { ...role, rules });
      await server.request('POST', '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', {
        ...role,
        kind: 'ClusterRoleBinding',
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'why' },
        subjects: [{ kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name: 'jane' }],
      });
      const { status, text } = await server.as(user('jane'))('GET', path);
      assert.equal(status, 200);
      assert.deepEqual(JSON.parse(text), {
        pod: 'default/p',
        attempts: [{ attempt: 1, at: '1970-01-01T00:00:00Z', outcome: { kind: 'scheduled', node: 'a' }, nodes: [{ node: 'a' }] }],
        remedies: [],
      });
    });

    it('is not found for other pods and paths', async () => {
      for (const path of ['default/q', 'default', 'default/p/x', ''])
        assert.equal((await server.request('GET', `${podRecordPath}${path}`)).status, 404, path);
      assert.equal((await server.request('POST', `${podRecordPath}default/p`, {})).status, 404);
    });
  });
});
