import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { encodeProtobuf } from '#api/codec/protobuf.ts';
import type { ControllerRevision, DaemonSet, PodTemplateSpec } from '#api/types.generated.ts';
import { FakeApi } from '#client/api.testing.ts';
import { createClient } from '#client/rest-client.ts';
import {
  createRevision,
  planHistory,
  RevisionCollision,
  removeRevision,
  revisionData,
  templateOfRevision,
} from './controller-revisions.ts';

const template = (image: string): PodTemplateSpec => ({
  metadata: { labels: { app: 'web' } },
  spec: { containers: [{ name: 'c', image }] },
});
const meta = (name: string, more: object = {}) => ({
  name,
  namespace: 'ns',
  uid: `uid-${name}`,
  resourceVersion: '1',
  creationTimestamp: '2026-01-01T00:00:00Z',
  ...more,
});
const owner = (image: string, collisionCount?: number): DaemonSet => ({
  apiVersion: 'apps/v1',
  kind: 'DaemonSet',
  metadata: meta('web', { annotations: { 'kubernetes.io/change-cause': 'mine' } }),
  spec: { selector: {}, template: template(image) },
  ...(collisionCount === undefined ? {} : { status: { collisionCount } as DaemonSet['status'] }),
});
const revision = (name: string, image: string, number: number): ControllerRevision => ({
  apiVersion: 'apps/v1',
  kind: 'ControllerRevision',
  metadata: meta(name),
  data: revisionData(template(image)),
  revision: number,
});

describe('history', () => {
  it('writes its data as Go does, byte by byte, so that kubectl and upstream’s tests recognize the current template', () => {
    const { create } = planHistory(owner('c:1'), [], 'hash');
    const written =
      '{"spec":{"template":{"$patch":"replace","metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"image":"c:1","name":"c"}]}}}}';
    assert.equal(JSON.stringify(create?.data), written);
    const data = revisionData({ spec: { containers: [{ name: 'c', command: ['sh', '-c', 'a && b'] }] } });
    const revision = { apiVersion: 'apps/v1', kind: 'ControllerRevision', metadata: meta('r'), revision: 1, data };
    const bytes = Buffer.from(encodeProtobuf(revision, 'apps/v1.ControllerRevision', revision));
    assert.ok(
      bytes.includes('{"$patch":"replace","spec":{"containers":[{"command":["sh","-c","a \\u0026\\u0026 b"],"name":"c"}]}}'),
    );
  });

  it('begins with a revision that has the template, its labels, and the annotations of the owner', () => {
    const { create, old } = planHistory(owner('c:1'), [], 'hash');
    const hash = create?.metadata.labels?.['hash'];
    assert.deepEqual(old, []);
    assert.equal(create?.revision, 1);
    assert.equal(create?.metadata.name, `web-${hash}`);
    assert.deepEqual(create?.metadata.labels, { app: 'web', hash });
    assert.deepEqual(create?.metadata.annotations, { 'kubernetes.io/change-cause': 'mine' });
    assert.equal(create?.metadata.ownerReferences?.[0]?.uid, 'uid-web');
    assert.deepEqual(create?.data, { spec: { template: { ...template('c:1'), $patch: 'replace' } } });
  });

  it('has another name after a collision', () => {
    const [first, second] = [undefined, 1].map((count) => planHistory(owner('c:1', count), [], 'hash').create?.metadata.name);
    assert.notEqual(first, second);
    assert.equal(planHistory(owner('c:1', 0), [], 'hash').create?.metadata.name, first);
  });

  it('goes on with the next number', () => {
    const { create, old } = planHistory(owner('c:3'), [revision('b', 'c:2', 7), revision('a', 'c:1', 2)], 'hash');
    assert.deepEqual([create?.revision, old.map(({ metadata }) => metadata.name)], [8, ['a', 'b']]);
  });

  it('gives a template that is used again the newest number', () => {
    const plan = planHistory(owner('c:1'), [revision('a', 'c:1', 1), revision('b', 'c:2', 2)], 'hash');
    assert.deepEqual([plan.create, plan.current?.metadata.name, plan.renumber], [undefined, 'a', 3]);
  });

  it('leaves the newest as it is, and finds duplicates', () => {
    const revisions = [revision('a', 'c:1', 1), revision('b', 'c:1', 3), revision('c', 'c:2', 2)];
    const plan = planHistory(owner('c:1'), revisions, 'hash');
    assert.deepEqual(
      [plan.current?.metadata.name, plan.renumber, plan.duplicates.map(({ metadata }) => metadata.name)],
      ['b', undefined, ['a']],
    );
  });

  it('gives templates back, and is not confused by data of another form', () => {
    assert.deepEqual(templateOfRevision(revision('a', 'c:1', 1)), template('c:1'));
    for (const data of [{}, { spec: 1 }, { spec: { template: [] } }] as unknown as ControllerRevision['data'][])
      assert.equal(templateOfRevision({ ...revision('a', 'c:1', 1), ...(data === undefined ? {} : { data }) }), undefined);
  });

  it('takes a revision that is there already, unless it holds another template', async () => {
    const client = createClient(new FakeApi().transport, { userAgent: 'test' });
    const { create } = planHistory(owner('c:1'), [], 'hash');
    assert.ok(create !== undefined);
    const created = await createRevision(client, create);
    assert.equal((await createRevision(client, create)).metadata.uid, created.metadata.uid);
    await assert.rejects(createRevision(client, { ...create, data: revisionData(template('c:2')) }), RevisionCollision);
    await removeRevision(client, created);
    await removeRevision(client, created);
  });
});
