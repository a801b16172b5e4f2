/** Authorization webhooks and the AuthorizationConfiguration file, with a backend on loopback. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { FakeClock } from '#client/clock.ts';
import { kubeconfigText } from '#client/kubeconfig.ts';
import { until } from '#lab/until.ts';
import { startBackend } from '../../authentication/https.testing.ts';
import type { UserInfo } from '../../registry/strategy.ts';
import { parseRequestInfo } from '../../rest/request-info.ts';
import { attributesOf } from '../authorization.ts';
import { parseAuthorizationConfiguration } from '../config/authorization-configuration.ts';
import { createAuthorization } from '../modes.ts';

const jane: UserInfo = { name: 'jane', uid: '7', groups: ['devs'], extra: { k: ['v'] } };
const scratch = mkdtempSync(join(tmpdir(), 'tinker-authz-'));
const kubeconfig = join(scratch, 'webhook.conf');
const header = { apiVersion: 'apiserver.config.k8s.io/v1', kind: 'AuthorizationConfiguration' };
const webhook = {
  authorizedTTL: '5m',
  unauthorizedTTL: '30s',
  timeout: '3s',
  subjectAccessReviewVersion: 'v1',
  matchConditionSubjectAccessReviewVersion: 'v1',
  failurePolicy: 'NoOpinion',
  connectionInfo: { type: 'KubeConfigFile', kubeConfigFile: kubeconfig },
};
const file = (...authorizers: object[]): string => JSON.stringify({ ...header, authorizers });
const hook = (more: object = {}, name = 'hook'): object => ({ type: 'Webhook', name, webhook: { ...webhook, ...more } });

describe('webhooks that authorize', () => {
  let clock: FakeClock;
  let backend: Awaited<ReturnType<typeof startBackend>>;
  const reviews: { apiVersion: string; spec: Record<string, unknown> }[] = [];
  let answer: (response: ServerResponse, apiVersion: string) => void;
  const status = (value: object) => (response: ServerResponse, apiVersion: string) =>
    response.end(JSON.stringify({ kind: 'SubjectAccessReview', apiVersion, status: value }));

  before(async () => {
    backend = await startBackend((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const review = JSON.parse(Buffer.concat(chunks).toString()) as (typeof reviews)[number];
        reviews.push(review);
        answer(response, review.apiVersion);
      });
    });
    writeFileSync(kubeconfig, kubeconfigText({ server: `${backend.url}/authorize`, token: 'secret' }));
  });
  beforeEach(() => {
    clock = new FakeClock();
    reviews.length = 0;
    answer = status({ allowed: true });
  });
  after(async () => {
    await backend.close();
    rmSync(scratch, { recursive: true });
  });

  const authorize = (text: string, path = '/api/v1/namespaces/ns/pods?fieldSelector=spec.nodeName%3Dn1', user = jane) => {
    const { authorizer } = createAuthorization(parseAuthorizationConfiguration(text), { clock, random: () => 0 });
    return () => authorizer.authorize(attributesOf(parseRequestInfo('GET', path), user));
  };

  it('are told who wants what', async () => {
    assert.deepEqual(await authorize(file(hook()))(), { allowed: true, denied: false, reason: '' });
    assert.deepEqual(reviews[0]?.apiVersion, 'authorization.k8s.io/v1');
    assert.deepEqual(reviews[0]?.spec, {
      user: 'jane',
      uid: '7',
      groups: ['devs'],
      extra: { k: ['v'] },
      resourceAttributes: {
        namespace: 'ns',
        verb: 'list',
        group: '',
        version: 'v1',
        resource: 'pods',
        subresource: '',
        name: '',
        fieldSelector: { requirements: [{ key: 'spec.nodeName', operator: 'In', values: ['n1'] }] },
      },
    });
    await authorize(file(hook({ subjectAccessReviewVersion: 'v1beta1' })), '/healthz/ping')();
    assert.equal(reviews[1]?.apiVersion, 'authorization.k8s.io/v1beta1');
    assert.deepEqual(reviews[1]?.spec['group'], ['devs']);
    assert.deepEqual(reviews[1]?.spec['nonResourceAttributes'], { path: '/healthz/ping', verb: 'get' });
  });

  it('are not asked about administrators', async () => {
    answer = status({ allowed: false, denied: true });
    assert.equal((await authorize(file(hook()), '/x', { ...jane, groups: ['system:masters'] })()).allowed, true);
    assert.equal(reviews.length, 0);
  });

  it('are asked again after five minutes, or half a minute after a no', async () => {
    const ask = authorize(file(hook()));
    for (let i = 0; i < 3; i++) await ask();
    assert.equal(reviews.length, 1);
    await clock.advance(301_000);
    await ask();
    assert.equal(reviews.length, 2);
    answer = status({ allowed: false, reason: 'not today' });
    await clock.advance(301_000);
    assert.deepEqual(await ask(), { allowed: false, reason: 'not today' });
    await ask();
    assert.equal(reviews.length, 3);
    await clock.advance(31_000);
    await ask();
    assert.equal(reviews.length, 4);
    const uncached = authorize(file(hook({ cacheUnauthorizedRequests: false })));
    for (let i = 0; i < 3; i++) await uncached();
    assert.equal(reviews.length, 7);
  });

  it('may deny what others would allow', async () => {
    answer = status({ allowed: false, denied: true, reason: 'no' });
    assert.deepEqual(await authorize(file(hook(), { type: 'AlwaysAllow', name: 'all' }))(), {
      allowed: false,
      denied: true,
      reason: 'no',
    });
    answer = status({ allowed: false });
    assert.equal((await authorize(file(hook(), { type: 'AlwaysAllow', name: 'all' }))()).allowed, true);
  });

  const failures: [what: string, answer: typeof answer, error: RegExp][] = [
    ['an error', (response) => response.writeHead(403).end(), /answered with the status 403/],
    ['no JSON', (response) => response.end('{'), /not JSON/],
    ['another object', (response) => response.end('{"kind":"Pod"}'), /no SubjectAccessReview of authorization\.k8s\.io\/v1/],
    ['another version', (response) => status({ allowed: true })(response, 'authorization.k8s.io/v2'), /no SubjectAccessReview/],
    ['an answer without end', (response) => response.end('x'.repeat(2 << 20)), /its answer is larger than/],
  ];
  for (const [what, wrong, error] of failures)
    it(`mean nothing, or no, by ${what}`, async () => {
      answer = wrong;
      const open = await authorize(file(hook()))();
      assert.deepEqual([open.allowed, open.denied ?? false], [false, false]);
      assert.match(open.error ?? '', error);
      assert.equal((await authorize(file(hook(), { type: 'AlwaysAllow', name: 'all' }))()).allowed, true);
      const closed = await authorize(file(hook({ failurePolicy: 'Deny' }), { type: 'AlwaysAllow', name: 'all' }))();
      assert.deepEqual([closed.allowed, closed.denied], [false, true]);
    });

  it('are given up after their time, and are asked five times where it may get better', async () => {
    answer = (response) => response.writeHead(500).end();
    const ask = Promise.resolve(authorize(file(hook()))());
    const settled = ask.then((decision) => decision.error);
    const isAsked = async (): Promise<boolean> => {
      await clock.advance(500);
      return reviews.length >= 5;
    };
    await until('five reviews', isAsked, { timeoutMs: 30_000, everyMs: 5 });
    assert.match((await settled) ?? '', /answered with the status 500/);
    assert.equal(reviews.length, 5);
    answer = () => undefined;
    const silent = await authorize(file(hook({ timeout: '100ms' })))();
    assert.match(silent.error ?? '', /did not answer in time/);
  });

  const conditions: [expressions: string[], asked: boolean, error?: RegExp][] = [
    [["request.resourceAttributes.namespace == 'ns'"], true],
    [["request.resourceAttributes.namespace == 'kube-system'"], false],
    [['has(request.resourceAttributes)', "!('system:serviceaccounts' in request.groups)", "request.user == 'jane'"], true],
    [["request.resourceAttributes.fieldSelector.requirements.exists(r, r.key == 'spec.nodeName' && 'n1' in r.values)"], true],
    [
      ['request.nonResourceAttributes.path == "/"'],
      false,
      /cel evaluation error: expression '.*' resulted in error: no such key/,
    ],
    [["request.user != 'jane'", 'request.nonResourceAttributes.path == "/"'], false],
    [["request.extra['none'][0] == 'x'"], false, /no such key: none/],
  ];
  for (const [expressions, asked, error] of conditions)
    it(`are asked when ${expressions.join(' and ')}: ${asked}`, async () => {
      const decision = await authorize(file(hook({ matchConditions: expressions.map((expression) => ({ expression })) })))();
      assert.equal(reviews.length > 0, asked);
      assert.match(decision.error ?? '', error ?? /^$/);
    });

  it('may change, but not which other authorizers there are', async () => {
    const chain = parseAuthorizationConfiguration(file({ type: 'AlwaysDeny', name: 'none' }));
    const authorization = createAuthorization(chain, { clock, random: () => 0 });
    const ask = () => authorization.authorizer.authorize(attributesOf(parseRequestInfo('GET', '/x'), jane));
    assert.equal((await ask()).allowed, false);
    authorization.replace(parseAuthorizationConfiguration(file(hook(), { type: 'AlwaysDeny', name: 'none' })));
    assert.equal((await ask()).allowed, true);
    assert.throws(
      () => authorization.replace(parseAuthorizationConfiguration(file({ type: 'AlwaysAllow', name: 'all' }))),
      /must stay as they were/,
    );
    assert.equal((await ask()).allowed, true);
  });
});

describe('an AuthorizationConfiguration', () => {
  before(() => writeFileSync(kubeconfigOf(), kubeconfigText({ server: 'https://x' })));
  const kubeconfigOf = (): string => join(folder, 'webhook.conf');
  const folder = mkdtempSync(join(tmpdir(), 'tinker-authz-'));
  after(() => rmSync(folder, { recursive: true }));
  const given = (more: object): object =>
    hook({ connectionInfo: { type: 'KubeConfigFile', kubeConfigFile: kubeconfigOf() }, ...more });
  const cases: [what: string, make: () => string, message: RegExp][] = [
    ['another kind', () => JSON.stringify({ ...header, kind: 'Pod' }), /no kind "Pod" is registered/],
    ['unknown fields', () => JSON.stringify({ ...header, x: 1 }), /strict decoding error: unknown field "x"/],
    ['nothing', () => file(), /authorizers: Required value: at least one authorization mode must be defined/],
    ['no type', () => file({ name: 'a' }), /authorizers\[0\]\.type: Required value/],
    ['an unknown type', () => file({ type: 'ABAC', name: 'a' }), /authorizers\[0\]\.type: Unsupported value: "ABAC"/],
    [
      'one type twice',
      () => file({ type: 'RBAC', name: 'a' }, { type: 'RBAC', name: 'b' }),
      /authorizers\[1\]\.type: Duplicate value: "RBAC"/,
    ],
    ['no name', () => file({ type: 'RBAC' }), /authorizers\[0\]\.name: Required value/],
    [
      'one name twice',
      () => file({ type: 'RBAC', name: 'a' }, { type: 'Node', name: 'a' }),
      /authorizers\[1\]\.name: Duplicate value: "a"/,
    ],
    ['a bad name', () => file({ type: 'RBAC', name: 'A_' }), /authorizer name is invalid: /],
    [
      'a webhook that is none',
      () => file({ type: 'Webhook', name: 'a' }),
      /authorizers\[0\]\.webhook: Required value: required when type=Webhook/,
    ],
    ['RBAC by webhook', () => file({ type: 'RBAC', name: 'a', webhook: {} }), /may only be specified when type=Webhook/],
    ['no timeout', () => file(given({ timeout: undefined })), /authorizers\[0\]\.timeout: Required value/],
    ['a long timeout', () => file(given({ timeout: '31s' })), /must be > 0s and <= 30s/],
    [
      'a time that is none',
      () => file(given({ authorizedTTL: 'soon' })),
      /authorizers\[0\]\.authorizedTTL: Invalid value: "soon": time: invalid duration/,
    ],
    ['no version', () => file(given({ subjectAccessReviewVersion: undefined })), /subjectAccessReviewVersion: Required value/],
    [
      'another policy',
      () => file(given({ failurePolicy: 'Allow' })),
      /failurePolicy: Unsupported value: "Allow": supported values: "NoOpinion", "Deny"/,
    ],
    ['no connection', () => file(given({ connectionInfo: {} })), /connectionInfo\.type: Required value/],
    [
      'a relative file',
      () => file(given({ connectionInfo: { type: 'KubeConfigFile', kubeConfigFile: 'x' } })),
      /must be an absolute path/,
    ],
    [
      'a file that is absent',
      () => file(given({ connectionInfo: { type: 'KubeConfigFile', kubeConfigFile: '/nope' } })),
      /error loading file: /,
    ],
    [
      'a condition without a version',
      () => file(given({ matchConditions: [{ expression: 'true' }], matchConditionSubjectAccessReviewVersion: '' })),
      /required if match conditions are specified/,
    ],
    [
      'a condition that is none',
      () => file(given({ matchConditions: [{ expression: 'request.' }] })),
      /matchConditions\[0\]\.expression: Invalid value: "request\.": compilation failed/,
    ],
    [
      'a condition that is a text',
      () => file(given({ matchConditions: [{ expression: 'request.user' }] })),
      /must evaluate to bool/,
    ],
    [
      'one condition twice',
      () => file(given({ matchConditions: [{ expression: 'true' }, { expression: 'true' }] })),
      /matchConditions\[1\]\.expression: Duplicate value/,
    ],
    [
      'a field that there is not',
      () => file(given({ matchConditions: [{ expression: "request.group == ''" }] })),
      /undefined field 'group'/,
    ],
  ];
  for (const [what, make, message] of cases)
    it(`is refused: ${what}`, () => assert.throws(() => parseAuthorizationConfiguration(make()), message));
});
