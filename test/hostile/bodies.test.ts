import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { type Answer, type ApiServerProcess, startApiServerProcess } from './api-server.ts';
import { collectionPath, type HostileBody, hostileBodies, pathOf } from './bodies.ts';
import { bodiesBelowLimits } from './bodies-below-limits.ts';
import { longSelectors } from './long-selectors.ts';

/**
 * The fraction of the bodies' full size, so that the tests take seconds. `npm run bench -- api-hostile` sends them in full size.
 */
const scale = 0.05;
/**
 * The fraction for accepted bodies. There are more of them, and each costs a whole write. It is still large enough to reach the
 * code for large objects.
 */
const passingScale = 0.03;
/** Ten times the goal, because the machine may be busy. A body that takes too long takes far longer than that. */
const budgetMs = (bytes: number): number => 1000 * Math.max(1, bytes / 1e6);

describe('hostile bodies', () => {
  let server: ApiServerProcess;
  before(async () => {
    server = await startApiServerProcess();
  });
  after(() => server.stop());

  async function send(hostile: HostileBody): Promise<Answer> {
    const { method, target, contentType, body, seed } = hostile;
    const path = collectionPath(target);
    const json = { 'content-type': 'application/json' };
    if (seed !== undefined) await server.call('POST', path, JSON.stringify(seed), json);
    await server.report();
    const [answer, other] = await Promise.all([
      server.call(method, pathOf(hostile), body, { 'content-type': contentType }),
      server.call('GET', '/api/v1/namespaces/default', undefined, {}, server.user),
    ]);
    const { longestMs } = await server.report();
    assert.equal(other.status, 200);
    assert.ok(longestMs < budgetMs(body.length), `the loop stood still for ${longestMs.toFixed(0)} ms`);
    for (const name of ['hostile', 'a']) {
      await server.call('PATCH', `${path}/${name}`, '{"metadata":{"finalizers":null}}', {
        'content-type': 'application/merge-patch+json',
      });
      await server.call('DELETE', `${path}/${name}?gracePeriodSeconds=0`);
    }
    return answer;
  }

  for (const body of [...hostileBodies(scale), ...bodiesBelowLimits(passingScale)]) {
    it(`${body.name} (${body.contentType}, ${body.target})`, { timeout: 240_000 }, async () => {
      const { status, text } = await send(body);
      // For these messages upstream replies with 500, too.
      const isUpstreams = /failed to create typed patch object|etcdserver: request is too large/.test(text);
      assert.ok(status < 500 || isUpstreams, `answered ${status}: ${text.slice(0, 500)}`);
    });
  }

  for (const { name, query } of longSelectors(0.2)) {
    it(name, { timeout: 60_000 }, async () => {
      await server.report();
      const { status } = await server.call('GET', `${collectionPath('configmaps')}?${query}`);
      const { longestMs } = await server.report();
      assert.ok(status < 500, `answered ${status}`);
      assert.ok(longestMs < budgetMs(query.length), `the loop stood still for ${longestMs.toFixed(0)} ms`);
    });
  }

  // Upstream's server ignores the header Content-Encoding, so a compressed body is decoded as it is.
  it('that are compressed are decoded as they are', async () => {
    const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'compressed' } };
    const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip' };
    const { status, text } = await server.call('POST', collectionPath('configmaps'), gzipSync(JSON.stringify(object)), headers);
    assert.equal(status, 400);
    const why = "couldn't get version/kind; json parse error: invalid character '\\x1f' looking for beginning of value";
    const { message } = JSON.parse(text) as { message: string };
    assert.ok(message.startsWith(`the object provided is unrecognized (must be of type ConfigMap): ${why} (1f8b08`), message);
    const bomb = gzipSync(Buffer.alloc(200_000_000));
    assert.equal((await server.call('POST', collectionPath('configmaps'), bomb, headers)).status, 400);
    const plain = { ...headers, 'content-encoding': 'identity' };
    assert.equal((await server.call('POST', collectionPath('configmaps'), JSON.stringify(object), plain)).status, 201);
  });

  it('of random bytes and of pieces of each format are answered', { timeout: 120_000 }, async () => {
    const pieces = [
      '{',
      '}',
      '[',
      ']',
      ':',
      ',',
      '"',
      'a',
      '- ',
      '\n',
      '  ',
      '&a ',
      '*a',
      '<<: ',
      '|\n',
      '>-\n',
      '? ',
      '---\n',
      '!!',
      '%',
      '#',
      "'",
      '\\',
      '0x',
      '\0',
      'k8s\0',
    ];
    const text = fc.array(fc.constantFrom(...pieces), { maxLength: 200 }).map((parts) => Buffer.from(parts.join('')));
    const protobuf = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.concat([Buffer.from('k8s\0', 'latin1'), bytes]));
    const types = ['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf'];
    const patches = ['json-patch+json', 'merge-patch+json', 'strategic-merge-patch+json', 'apply-patch+yaml'].map(
      (type) => `application/${type}`,
    );
    await fc.assert(
      fc.asyncProperty(fc.oneof(text, protobuf), fc.constantFrom(...types, ...patches), async (body, contentType) => {
        const isPatch = patches.includes(contentType);
        const path = `${collectionPath('configmaps')}${isPatch ? '/kept?fieldManager=me' : ''}`;
        const { status, ms } = await server.call(isPatch ? 'PATCH' : 'POST', path, body, { 'content-type': contentType });
        assert.ok(status >= 200 && status < 500, `answered ${status}`);
        assert.ok(ms < 60_000, `took ${ms} ms`);
      }),
      { numRuns: 150 },
    );
  });

  it('and queries of any length and content are answered', { timeout: 240_000 }, async () => {
    const name = fc.constantFrom(
      'labelSelector',
      'fieldSelector',
      'continue',
      'limit',
      'resourceVersion',
      'fieldValidation',
      'dryRun',
      'pretty',
    );
    const piece = fc.constantFrom(
      'a',
      '=',
      '!=',
      ',',
      ' in (',
      ')',
      ' notin ',
      '!',
      '==',
      '\\',
      '%00',
      'metadata.name',
      '.',
      '/',
      'é',
    );
    const value = fc.array(piece, { maxLength: 400 }).map((parts) => encodeURIComponent(parts.join('')));
    await fc.assert(
      fc.asyncProperty(name, value, async (key, text) => {
        const { status, ms } = await server.call('GET', `${collectionPath('pods')}?${key}=${text}`);
        assert.ok(status >= 200 && status < 500, `answered ${status}`);
        assert.ok(ms < 60_000, `took ${ms} ms`);
      }),
      { numRuns: 60 },
    );
  });

  it('and queries as long as the headers may be block the loop no longer than bodies', { timeout: 240_000 }, async () => {
    const bytes = 900_000;
    const queries = [
      `labelSelector=${'a,'.repeat(bytes / 2)}a`,
      `labelSelector=a+in+(${'b,'.repeat(bytes / 2)}c)`,
      `labelSelector=${'!'.repeat(bytes)}`,
      `labelSelector=${'('.repeat(bytes)}`,
      `labelSelector=${'+'.repeat(bytes)}x`,
      `fieldSelector=${'metadata.name=a,'.repeat(bytes / 16)}metadata.name=b`,
      `fieldSelector=metadata.name=${'\\,'.repeat(bytes / 2)}`,
      `fieldSelector=${'='.repeat(bytes)}`,
      `limit=1&continue=${'A'.repeat(bytes)}`,
      'a&'.repeat(bytes / 2),
    ];
    for (const query of queries) {
      await server.report();
      const { status } = await server.call('GET', `${collectionPath('pods')}?${query}`);
      const { longestMs } = await server.report();
      assert.ok(status === 200 || status === 400, `answered ${status} to ${query.slice(0, 30)}`);
      assert.ok(longestMs < 3 * budgetMs(bytes), `${query.slice(0, 30)}: the loop stood still for ${longestMs.toFixed(0)} ms`);
    }
  });
});
