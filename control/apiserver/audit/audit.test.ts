/** Audit of a real API server: the events of its requests, and events that cannot be written. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { Registry } from 'prom-client';
import { systemClock } from '#client/clock.ts';
import { until as untilWithin } from '#lab/until.ts';
import { startTestServer, type TestServer, type TestServerOptions } from '../api-server.testing.ts';
import { headerValues } from '../authentication/header-values.ts';
import type { UserInfo } from '../registry/strategy.ts';
import { silentLog } from '../serving/server-log.ts';
import { AuditMonitor } from './audit-backend.ts';
import { type AuditEvent, eventJson, microTime } from './audit-event.ts';
import { parseAuditPolicy } from './audit-policy.ts';
import { AuditLogFile, type AuditLogOptions } from './log-backend.ts';
import { AuditWebhook } from './webhook-backend.ts';

const logOptions = (path: string): AuditLogOptions => ({
  path,
  format: 'json',
  mode: 'blocking',
  maxAgeDays: 0,
  maxBackups: 0,
  maxSizeMb: 0,
  compress: false,
  bufferSize: 100,
});
const folder = await mkdtemp(join(tmpdir(), 'audit-test-'));
after(() => rm(folder, { recursive: true }));
const until = (isDone: () => boolean | Promise<boolean>): Promise<true> =>
  untilWithin('what is audited', async () => await isDone(), { timeoutMs: 60_000, everyMs: 5 });

let files = 0;
async function withAudit(
  rules: string,
  work: (api: TestServer, events: () => Promise<AuditEvent[]>) => Promise<void>,
  options: TestServerOptions = {},
  log: Partial<AuditLogOptions> = {},
): Promise<void> {
  const path = join(folder, `audit-${files++}.log`);
  const policy = parseAuditPolicy(`apiVersion: audit.k8s.io/v1\nkind: Policy\n${rules}`);
  const admissionPlugins = { enable: [], disable: ['ServiceAccount'] };
  const api = await startTestServer({ admissionPlugins, ...options, audit: { policy, log: { ...logOptions(path), ...log } } });
  // The server's namespaces have been made by now.
  const before = await readFile(path, 'utf8').then(
    (text) => text.length,
    () => 0,
  );
  const events = async (): Promise<AuditEvent[]> =>
    (await readFile(path, 'utf8'))
      .slice(before)
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as AuditEvent);
  try {
    await work(api, events);
  } finally {
    await api.stop();
  }
}

const secrets = '/api/v1/namespaces/default/secrets';
const secret = (name: string) => ({ metadata: { name }, stringData: { password: 'topsecret' } });

describe('audit', { timeout: 60_000 }, () => {
  it('writes each request once per stage, with who asked for what', () =>
    withAudit('rules: [{level: Metadata, resources: [{group: "", resources: [secrets]}]}]', async (api, events) => {
      const headers = { 'user-agent': 'kubectl/1.36', 'audit-id': 'mine', 'x-forwarded-for': '10.0.0.1, junk' };
      assert.equal((await api.request('POST', `${secrets}?fieldManager=x`, secret('s'), headers)).status, 201);
      const [received, complete, ...others] = await events();
      assert.deepEqual(others, []);
      assert.equal(received?.stage, 'RequestReceived');
      const { requestReceivedTimestamp, stageTimestamp, ...rest } = complete as AuditEvent;
      assert.match(requestReceivedTimestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
      assert.ok(stageTimestamp >= requestReceivedTimestamp);
      assert.deepEqual(rest, {
        kind: 'Event',
        apiVersion: 'audit.k8s.io/v1',
        level: 'Metadata',
        auditID: 'mine',
        stage: 'ResponseComplete',
        requestURI: `${secrets}?fieldManager=x`,
        verb: 'create',
        user: { username: received.user.username, groups: received.user.groups },
        sourceIPs: ['10.0.0.1', '127.0.0.1'],
        userAgent: 'kubectl/1.36',
        objectRef: { resource: 'secrets', namespace: 'default', name: 's', apiVersion: 'v1' },
        responseStatus: { metadata: {}, code: 201 },
        annotations: { 'authorization.k8s.io/decision': 'allow', 'authorization.k8s.io/reason': '' },
      });
      assert.ok(!(await readFile(join(folder, `audit-${files - 1}.log`), 'utf8')).includes('topsecret'));
      assert.equal((await api.request('GET', '/api/v1/namespaces/default/configmaps')).status, 200);
      assert.equal((await events()).length, 2);
    }));

  it('writes what was sent and answered where the policy says so, without managed fields where it says that', () =>
    withAudit(
      'omitStages: [RequestReceived]\nomitManagedFields: true\nrules: [{level: Request, verbs: [create, patch]}, {level: RequestResponse}]',
      async (api, events) => {
        const body = { metadata: { name: 'c' }, data: { a: '1' } };
        const path = '/api/v1/namespaces/default/configmaps';
        await api.request('POST', path, body);
        await api.request('PATCH', `${path}/c`, { data: { a: '2' } }, { 'content-type': 'application/merge-patch+json' });
        await api.request('GET', `${path}/c`);
        await api.request('GET', path);
        await api.request('GET', `${path}/none`);
        const [created, patched, read, listed, missing] = await events();
        assert.deepEqual(
          [created?.requestObject, created?.responseObject],
          [{ apiVersion: 'v1', kind: 'ConfigMap', ...body }, undefined],
        );
        assert.deepEqual(patched?.requestObject, { data: { a: '2' } });
        const object = read?.responseObject as unknown as { data: object; metadata: Record<string, unknown> };
        assert.deepEqual([object.data, object.metadata['managedFields']], [{ a: '2' }, undefined]);
        assert.ok(object.metadata['uid'] !== undefined);
        assert.ok(!JSON.stringify(listed?.responseObject).includes('managedFields'));
        assert.deepEqual(missing?.responseStatus, {
          metadata: {},
          status: 'Failure',
          message: 'configmaps "none" not found',
          reason: 'NotFound',
          details: { name: 'none', kind: 'configmaps' },
          code: 404,
        });
        assert.equal((missing?.responseObject as { kind?: string } | undefined)?.kind, 'Status');
      },
    ));

  it('writes YAML and protobuf as JSON', () =>
    withAudit('omitStages: [RequestReceived]\nrules: [{level: Request}]', async (api, events) => {
      const yaml = 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: y\ndata:\n  a: "1"\n';
      const path = '/api/v1/namespaces/default/configmaps';
      await api.request('PATCH', `${path}/y?fieldManager=x`, yaml, { 'content-type': 'application/apply-patch+yaml' });
      const [applied] = await events();
      assert.deepEqual((applied?.requestObject as { data?: object } | undefined)?.data, { a: '1' });
    }));

  it('writes refusals, whom a request acts as, and requests of nobody known', () =>
    withAudit(
      'omitStages: [RequestReceived]\nrules: [{level: Metadata}]',
      async (api, events) => {
        const jane: UserInfo = { name: 'jane', groups: ['system:authenticated'], extra: {} };
        assert.equal((await api.as(jane)('GET', secrets)).status, 403);
        await api.request('GET', secrets, undefined, { 'impersonate-user': 'joe', 'impersonate-group': 'dev' });
        const [refused, impersonated] = await events();
        assert.deepEqual([refused?.user.username, refused?.responseStatus?.reason], ['jane', 'Forbidden']);
        assert.deepEqual(refused?.annotations, { 'authorization.k8s.io/decision': 'forbid', 'authorization.k8s.io/reason': '' });
        assert.deepEqual(impersonated?.impersonatedUser, { username: 'joe', groups: ['dev', 'system:authenticated'] });
        assert.notEqual(impersonated?.user.username, 'joe');
        const headers = headerValues(['Authorization', 'Bearer x.y.z']);
        const answer = await api.server.handle(
          { method: 'GET', path: secrets, headers: {} },
          { sender: { credentials: { certificate: undefined, headers } } },
        );
        assert.equal(answer.status, 401);
        const [, , unknown] = await events();
        assert.deepEqual([unknown?.stage, unknown?.responseStatus?.code, unknown?.user], ['ResponseStarted', 401, {}]);
      },
      { modes: ['RBAC'] },
    ));

  it('writes when a watch begins and when it ends', () =>
    withAudit('rules: [{level: Metadata, verbs: [watch]}]', async (api, events) => {
      const answer = await api.server.handle(
        { method: 'GET', path: `${secrets}?watch=1&timeoutSeconds=1`, headers: {} },
        { sender: { user: { name: 'w', groups: ['system:masters'], extra: {} } } },
      );
      assert.deepEqual(
        (await events()).map(({ stage }) => stage),
        ['RequestReceived', 'ResponseStarted'],
      );
      for await (const _chunk of answer.body) void _chunk;
      await until(async () => (await events()).length === 3);
      assert.equal((await events())[2]?.stage, 'ResponseComplete');
    }));

  it('has the annotations of policies and of Pod Security', () =>
    withAudit(
      'omitStages: [RequestReceived]\nrules: [{level: Metadata, verbs: [create], resources: [{group: "", resources: [configmaps, pods]}]}]',
      async (api, events) => {
        const group = '/apis/admissionregistration.k8s.io/v1';
        const rule = { operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['configmaps'] };
        await api.request('POST', `${group}/validatingadmissionpolicies`, {
          metadata: { name: 'p.example.com' },
          spec: {
            matchConstraints: { resourceRules: [rule] },
            validations: [{ expression: 'false', message: 'no' }],
            auditAnnotations: [{ key: 'who', valueExpression: 'request.userInfo.username' }],
          },
        });
        await api.request('POST', `${group}/validatingadmissionpolicybindings`, {
          metadata: { name: 'b' },
          spec: { policyName: 'p.example.com', validationActions: ['Audit'] },
        });
        await api.request('POST', '/api/v1/namespaces/default/configmaps', { metadata: { name: 'c' } });
        const merge = { 'content-type': 'application/merge-patch+json' };
        const labels = { 'pod-security.kubernetes.io/audit': 'baseline' };
        await api.request('PATCH', '/api/v1/namespaces/default', { metadata: { labels } }, merge);
        const spec = { hostNetwork: true, containers: [{ name: 'c', image: 'i' }] };
        await api.request('POST', '/api/v1/namespaces/default/pods', { metadata: { name: 'p' }, spec });
        const [map, pod] = await events();
        const { 'p.example.com/who': who, 'validation.policy.admission.k8s.io/validation_failure': failure = '' } =
          map?.annotations ?? {};
        assert.equal(who, map?.user.username);
        assert.deepEqual(JSON.parse(failure), [
          { message: 'no', policy: 'p.example.com', binding: 'b', expressionIndex: 0, validationActions: ['Audit'] },
        ]);
        assert.equal(pod?.annotations?.['pod-security.kubernetes.io/enforce-policy'], 'privileged:latest');
        assert.match(
          pod?.annotations?.['pod-security.kubernetes.io/audit-violations'] ?? '',
          /^would violate PodSecurity "baseline:latest": host namespaces \(hostNetwork=true\)/,
        );
      },
    ));

  it('that cannot write lets requests pass, counts, and refuses where it must be strict', async () => {
    // A path below a file is not writable, not even by root.
    const path = join(process.execPath, 'audit.log');
    const broken = { path };
    await withAudit(
      'rules: [{level: Metadata}]',
      async (api) => {
        assert.equal((await api.request('GET', secrets)).status, 200);
        assert.match((await api.request('GET', '/metrics')).text, /apiserver_audit_error_total\{plugin="log"\} [1-9]/);
      },
      {},
      broken,
    );
    await withAudit(
      'rules: [{level: Metadata, resources: [{group: ""}]}]',
      async (api) => {
        const { status, json } = await api.request('GET', secrets);
        assert.deepEqual([status, json.message], [500, 'Internal error occurred: failed to store audit event']);
        assert.match((await api.request('GET', '/metrics')).text, /apiserver_audit_requests_rejected_total [1-9]/);
      },
      {},
      { ...broken, mode: 'blocking-strict' },
    );
  });
});

const monitorOf = (registry = new Registry()): AuditMonitor => new AuditMonitor(registry, silentLog, () => 0);
const event = (more: Partial<AuditEvent> = {}): AuditEvent => ({
  kind: 'Event',
  apiVersion: 'audit.k8s.io/v1',
  level: 'Metadata',
  auditID: 'x',
  stage: 'ResponseComplete',
  requestURI: '/',
  verb: 'get',
  user: { username: 'jane' },
  requestReceivedTimestamp: microTime(0),
  stageTimestamp: microTime(0),
  ...more,
});
const recordOf = (more: Partial<AuditEvent> = {}) => ({ event: event(more), json: eventJson(event(more)) });

describe('the audit log', () => {
  it('is rotated by size; old files are removed by number and age, or compressed', async () => {
    const place = await mkdtemp(join(folder, 'rotated-'));
    let nowMs = Date.parse('2026-01-01T00:00:00Z');
    const options = { ...logOptions(join(place, 'audit.log')), maxSizeMb: 1, maxBackups: 2 };
    const log = new AuditLogFile(options, monitorOf(), () => nowMs);
    const half = { requestURI: 'x'.repeat(600 * 1024) };
    for (let index = 0; index < 6; index++) {
      assert.equal(await log.take(recordOf(half)), true);
      nowMs += 1000;
    }
    await log.close();
    assert.deepEqual((await readdir(place)).sort(), [
      'audit-2026-01-01T00-00-04.000.log',
      'audit-2026-01-01T00-00-05.000.log',
      'audit.log',
    ]);
    const aged = new AuditLogFile({ ...options, maxBackups: 0, maxAgeDays: 1, compress: true }, monitorOf(), () => nowMs);
    nowMs += 3 * 86_400_000;
    await aged.take(recordOf(half));
    await aged.close();
    assert.deepEqual((await readdir(place)).sort(), ['audit-2026-01-04T00-00-06.000.log.gz', 'audit.log']);
  });

  it('has a line in the file before its request goes on, each in its order', async () => {
    const path = join(folder, 'blocking.log');
    const log = new AuditLogFile({ ...logOptions(path), maxSizeMb: 1 }, monitorOf(), () => 0);
    // The first event opens the file; two more come meanwhile.
    const first = ['a', 'b', 'c'].map(async (auditID) => await log.take(recordOf({ auditID })));
    assert.deepEqual(await Promise.all(first), [true, true, true]);
    for (const auditID of ['d', 'ü', 'f']) {
      assert.equal(await log.take(recordOf({ auditID })), true);
      assert.match(readFileSync(path, 'utf8'), new RegExp(`"auditID":"${auditID}"[^\n]*\n$`));
    }
    const ids = readFileSync(path, 'utf8').trimEnd().split('\n');
    assert.deepEqual(
      ids.map((line) => (JSON.parse(line) as AuditEvent).auditID),
      ['a', 'b', 'c', 'd', 'ü', 'f'],
    );
    await log.close();
  });

  it('keeps no more than its buffer while the disk is slow', async () => {
    const registry = new Registry();
    const log = new AuditLogFile(
      { ...logOptions(join(folder, 'slow.log')), mode: 'batch', bufferSize: 10 },
      monitorOf(registry),
      () => 0,
    );
    const taken = Array.from({ length: 1000 }, () => log.take(recordOf()));
    assert.ok(taken.filter((one) => one === true).length <= 20);
    assert.match(await registry.metrics(), /apiserver_audit_error_total\{plugin="buffered"\} 9[89]\d/);
    await log.close();
  });

  it('has text for people, too', async () => {
    const path = join(folder, 'legacy.log');
    const log = new AuditLogFile({ ...logOptions(path), format: 'legacy' }, monitorOf(), () => 0);
    await log.take(recordOf({ sourceIPs: ['10.0.0.1'], responseStatus: { metadata: {}, code: 200 } }));
    await log.close();
    assert.equal(
      await readFile(path, 'utf8'),
      '1970-01-01T00:00:00.000000Z AUDIT: id="x" stage="ResponseComplete" ip="10.0.0.1" method="get" user="jane" groups="<none>" as="<self>" asgroups="<lookup>" user-agent="" namespace="<none>" uri="/" response="200"\n',
    );
  });
});

describe('the audit webhook', { timeout: 30_000 }, () => {
  it('is sent batches, again where it fails, and no more is kept than the buffer holds', async () => {
    const batches: AuditEvent[][] = [];
    let failures = 1;
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        if (failures-- > 0) response.writeHead(500).end();
        else {
          const list = JSON.parse(Buffer.concat(chunks).toString('utf8')) as { kind: string; items: AuditEvent[] };
          assert.equal(list.kind, 'EventList');
          batches.push(list.items);
          response.end('{}');
        }
      });
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const registry = new Registry();
    const { port } = server.address() as AddressInfo;
    const webhook = new AuditWebhook(
      {
        config: { server: `http://127.0.0.1:${port}/` },
        mode: 'batch',
        initialBackoffMs: 1,
        bufferSize: 10,
        maxBatchSize: 4,
        maxBatchWaitMs: 20,
      },
      { clock: systemClock, random: () => 0, monitor: monitorOf(registry) },
    );
    const taken = Array.from({ length: 30 }, (_, index) => webhook.take(recordOf({ auditID: String(index) })));
    assert.equal(taken.filter((one) => one === true).length, 10);
    assert.match(await registry.metrics(), /apiserver_audit_error_total\{plugin="buffered"\} 20/);
    await until(() => batches.flat().length === 10);
    assert.ok(batches.every((batch) => batch.length <= 4));
    assert.deepEqual(
      batches
        .flat()
        .map(({ auditID }) => Number(auditID))
        .sort((a, b) => a - b),
      [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
    );
    failures = 1000;
    void webhook.take(recordOf());
    await webhook.close();
    assert.match(await registry.metrics(), /apiserver_audit_error_total\{plugin="webhook"\} 1/);
    server.close();
  });
});
