/** Wrong input is refused with upstream's texts, in raw requests of any client and with kubectl. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import type { Status } from '#api/types.generated.ts';
import type { Cluster } from './cluster.ts';

const ns = 'bad-input';
const configMaps = `/api/v1/namespaces/${ns}/configmaps`;

interface Answer {
  code: number;
  reason: string;
  message: string;
  headers: Record<string, string>;
}

interface Case {
  title: string;
  body: string | Uint8Array;
  code: number;
  reason: string;
  message: RegExp | string;
  /** Default: the ConfigMaps of the suite's namespace. */
  path?: string;
  method?: string;
  contentType?: string;
}

const configMap = (metadata: object, more: object = {}): string =>
  JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata, ...more });
const subdomain =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character " +
  "(e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const dns1123 =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character " +
  "(e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const labelValue =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character " +
  "(e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const pod = (spec: object): string => JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'bad' }, spec });

const refused: Case[] = [
  {
    title: 'an unknown field, with strict validation',
    path: `${configMaps}?fieldValidation=Strict`,
    body: configMap({ name: 'a' }, { dta: {} }),
    code: 400,
    reason: 'BadRequest',
    message: 'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "dta"',
  },
  {
    title: 'a duplicate field, with strict validation',
    path: `${configMaps}?fieldValidation=Strict`,
    body: '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","name":"b"}}',
    code: 400,
    reason: 'BadRequest',
    message: 'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: duplicate field "metadata.name"',
  },
  {
    title: 'half a JSON document',
    body: '{"apiVersion":"v1",',
    code: 400,
    reason: 'BadRequest',
    message:
      'the object provided is unrecognized (must be of type ConfigMap): couldn\'t get version/kind; json parse error: unexpected end of JSON input ({"apiVersion":"v1",)',
  },
  {
    title: 'a value of the wrong type',
    body: configMap({ name: 'a' }, { data: { count: 1 } }),
    code: 400,
    reason: 'BadRequest',
    message:
      'ConfigMap in version "v1" cannot be handled as a ConfigMap: json: cannot unmarshal number into Go struct field ConfigMap.data of type string',
  },
  {
    title: 'malformed YAML',
    contentType: 'application/yaml',
    body: 'apiVersion: v1\nkind: [ConfigMap\n',
    code: 400,
    reason: 'BadRequest',
    message: /^the object provided is unrecognized \(must be of type ConfigMap\): yaml: line \d+: .*\([0-9a-f]+( \.\.\.)?\)$/,
  },
  {
    title: 'bytes that are no protobuf',
    contentType: 'application/vnd.kubernetes.protobuf',
    body: 'no protobuf at all',
    code: 400,
    reason: 'BadRequest',
    message:
      /^the object provided is unrecognized \(must be of type ConfigMap\): provided data does not appear to be a protobuf message, expected prefix \[107 56 115 0\] \([0-9a-f]+\)$/,
  },
  {
    title: 'protobuf that ends too early',
    contentType: 'application/vnd.kubernetes.protobuf',
    body: Buffer.from([0x6b, 0x38, 0x73, 0, 0x0a, 0x7f, 0x01]),
    code: 400,
    reason: 'BadRequest',
    message: /^the object provided is unrecognized \(must be of type ConfigMap\): unexpected EOF \(6b3873000a7f01\)$/,
  },
  {
    title: 'a content type that nobody speaks',
    contentType: 'text/csv',
    body: 'a,b',
    code: 415,
    reason: 'UnsupportedMediaType',
    message:
      /^the body of the request was in an unknown format - accepted media types include: application\/json, application\/yaml, application\/vnd\.kubernetes\.protobuf/,
  },
  {
    title: 'an API version that does not exist',
    body: '{"apiVersion":"v9","kind":"ConfigMap","metadata":{"name":"a"}}',
    code: 400,
    reason: 'BadRequest',
    message:
      /^ConfigMap in version "v9" cannot be handled as a ConfigMap: no kind "ConfigMap" is registered for version "v9" in scheme /,
  },
  {
    title: 'another kind than the path says',
    body: '{"apiVersion":"v1","kind":"Secret","metadata":{"name":"a"}}',
    code: 400,
    reason: 'BadRequest',
    message: /^Secret in version "v1" cannot be handled as a ConfigMap: /,
  },
  {
    title: 'a body of more than 3 MiB',
    body: configMap({ name: 'a' }, { data: { a: 'x'.repeat(3 * 1024 * 1024) } }),
    code: 413,
    reason: 'RequestEntityTooLarge',
    message: 'Request entity too large: limit is 3145728',
  },
  {
    title: 'a ConfigMap of more than 1 MiB',
    body: configMap({ name: 'a' }, { data: { a: 'x'.repeat(1024 * 1024 + 1) } }),
    code: 422,
    reason: 'Invalid',
    message: 'ConfigMap "a" is invalid: []: Too long: may not be more than 1048576 bytes',
  },
  {
    title: 'a name that is no subdomain',
    body: configMap({ name: 'Bad_Name' }),
    code: 422,
    reason: 'Invalid',
    message: `ConfigMap "Bad_Name" is invalid: metadata.name: Invalid value: "Bad_Name": ${subdomain}`,
  },
  {
    title: 'no name',
    body: configMap({}),
    code: 422,
    reason: 'Invalid',
    message: 'ConfigMap "" is invalid: metadata.name: Required value: name or generateName is required',
  },
  {
    title: 'a Service name that is no label',
    path: `/api/v1/namespaces/${ns}/services`,
    body: JSON.stringify({ apiVersion: 'v1', kind: 'Service', metadata: { name: 'web_1' }, spec: { ports: [{ port: 80 }] } }),
    code: 422,
    reason: 'Invalid',
    message: `Service "web_1" is invalid: metadata.name: Invalid value: "web_1": ${dns1123}`,
  },
  {
    title: 'a label value that is none',
    body: configMap({ name: 'a', labels: { tier: '-bad-' } }),
    code: 422,
    reason: 'Invalid',
    message: `ConfigMap "a" is invalid: metadata.labels: Invalid value: "-bad-": ${labelValue}`,
  },
  {
    title: 'a Pod without containers',
    path: `/api/v1/namespaces/${ns}/pods`,
    body: pod({ containers: [] }),
    code: 422,
    reason: 'Invalid',
    message: 'Pod "bad" is invalid: spec.containers: Required value',
  },
  {
    title: 'several problems, all of which are told',
    path: `/api/v1/namespaces/${ns}/pods`,
    body: pod({ restartPolicy: 'Sometimes', containers: [{ name: 'a', image: 'b', ports: [{ containerPort: 70000 }] }] }),
    code: 422,
    reason: 'Invalid',
    message:
      'Pod "bad" is invalid: [spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive, ' +
      'spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"]',
  },
  {
    title: 'a selector that does not match its own template',
    path: `/apis/apps/v1/namespaces/${ns}/deployments`,
    body: JSON.stringify({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'a' },
      spec: {
        selector: { matchLabels: { app: 'a' } },
        template: { metadata: { labels: { app: 'b' } }, spec: { containers: [{ name: 'a', image: 'b' }] } },
      },
    }),
    code: 422,
    reason: 'Invalid',
    message:
      'Deployment.apps "a" is invalid: spec.template.metadata.labels: Invalid value: {"app":"b"}: `selector` does not match template `labels`',
  },
  {
    title: 'a namespace that is not there',
    path: '/api/v1/namespaces/nowhere/configmaps',
    body: configMap({ name: 'a' }),
    code: 404,
    reason: 'NotFound',
    message: 'namespaces "nowhere" not found',
  },
  {
    title: "a namespace other than the path's",
    body: configMap({ name: 'a', namespace: 'default' }),
    code: 400,
    reason: 'BadRequest',
    message: 'the namespace of the provided object does not match the namespace sent on the request',
  },
  {
    title: 'what is there already',
    body: configMap({ name: 'there' }),
    code: 409,
    reason: 'AlreadyExists',
    message: 'configmaps "there" already exists',
  },
  {
    title: 'an update of an older version',
    method: 'PUT',
    path: `${configMaps}/there`,
    body: configMap({ name: 'there', resourceVersion: '1' }),
    code: 409,
    reason: 'Conflict',
    message:
      'Operation cannot be fulfilled on configmaps "there": the object has been modified; please apply your changes to the latest version and try again',
  },
  {
    title: "another name than the path's",
    method: 'PUT',
    path: `${configMaps}/there`,
    body: configMap({ name: 'elsewhere' }),
    code: 400,
    reason: 'BadRequest',
    message: 'the name of the object (elsewhere) does not match the name on the URL (there)',
  },
  {
    title: 'a change of a ConfigMap that is immutable',
    method: 'PUT',
    path: `${configMaps}/fixed`,
    body: configMap({ name: 'fixed' }, { data: { a: '2' }, immutable: true }),
    code: 422,
    reason: 'Invalid',
    message: 'ConfigMap "fixed" is invalid: data: Forbidden: field is immutable when `immutable` is set',
  },
  {
    title: 'a label selector that is none',
    method: 'GET',
    path: `${configMaps}?labelSelector=a+b`,
    body: '',
    code: 400,
    reason: 'BadRequest',
    message: "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt",
  },
  {
    title: 'a field selector that the kind does not have',
    method: 'GET',
    path: `${configMaps}?fieldSelector=data.a%3D1`,
    body: '',
    code: 400,
    reason: 'BadRequest',
    message: '"data.a" is not a known field selector: only "metadata.name", "metadata.namespace"',
  },
];

export function badInputSuite(cluster: () => Cluster): void {
  describe('bad input', () => {
    const send = async ({
      method = 'POST',
      path = configMaps,
      contentType = 'application/json',
      body,
    }: Pick<Case, 'method' | 'path' | 'contentType' | 'body'>): Promise<Answer> => {
      const answer = await cluster().client.raw({
        method,
        path,
        headers: { accept: 'application/json', ...(method === 'GET' ? {} : { 'content-type': contentType }) },
        ...(method === 'GET' ? {} : { body: typeof body === 'string' ? Buffer.from(body) : body }),
      });
      const chunks: Uint8Array[] = [];
      for await (const chunk of answer.body) chunks.push(chunk);
      const { reason = '', message = '' } = JSON.parse(Buffer.concat(chunks).toString('utf8')) as Status;
      return { code: answer.status, reason, message, headers: answer.headers };
    };
    const kubectlFails = (...args: string[]): Promise<string> => cluster().kubectlFails(['-n', ns, ...args]);

    before(async () => {
      await cluster().namespace(ns);
      await cluster().apply(
        { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'there', namespace: ns } },
        { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'fixed', namespace: ns }, data: { a: '1' }, immutable: true },
        { apiVersion: 'v1', kind: 'Service', metadata: { name: 'web', namespace: ns }, spec: { ports: [{ port: 80 }] } },
        {
          apiVersion: 'apps/v1',
          kind: 'Deployment',
          metadata: { name: 'web', namespace: ns },
          spec: {
            replicas: 0,
            selector: { matchLabels: { app: 'web' } },
            template: {
              metadata: { labels: { app: 'web', more: 'x' } },
              spec: { containers: [{ name: 'web', image: 'tinkernetes/web:1' }] },
            },
          },
        },
      );
    });

    for (const { title, code, reason, message, ...request } of refused) {
      it(`refuses ${title}`, async () => {
        const answer = await send(request);
        assert.deepEqual({ code: answer.code, reason: answer.reason }, { code, reason }, answer.message);
        if (typeof message === 'string') assert.equal(answer.message, message);
        else assert.match(answer.message, message);
      });
    }

    it('only warns of an unknown field when strict validation is not requested', async () => {
      const answer = await send({ path: `${configMaps}?dryRun=All`, body: configMap({ name: 'warned' }, { dta: {} }) });
      assert.equal(answer.code, 201);
      assert.equal(answer.headers['warning'], '299 - "unknown field \\"dta\\""');
    });

    it('still serves valid requests', async () => {
      assert.equal((await send({ method: 'GET', path: `${configMaps}/there`, body: '' })).code, 200);
    });

    it('refuses to change immutable fields, as kubectl shows it', async () => {
      assert.match(
        await kubectlFails('patch', 'service', 'web', '-p', '{"spec":{"clusterIP":"10.99.99.99","clusterIPs":["10.99.99.99"]}}'),
        /The Service "web" is invalid: spec\.clusterIPs\[0\]: Invalid value: \["10\.99\.99\.99"\]: may not change once set/,
      );
      assert.match(
        await kubectlFails('patch', 'deployment', 'web', '-p', '{"spec":{"selector":{"matchLabels":{"more":"x"}}}}'),
        /The Deployment "web" is invalid: spec\.selector: Invalid value: \{"matchLabels":\{"app":"web","more":"x"\}\}: field is immutable/,
      );
    });

    it('gives an error in kubectl that explains a mistake in a manifest', async () => {
      const stdin =
        'apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: typo}\nspec: {replica: 2, selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: a, image: b}]}}}\n';
      assert.match(
        await cluster().kubectlFails(['-n', ns, 'apply', '-f', '-'], { stdin }),
        /Error from server \(BadRequest\): error when creating "STDIN": Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: unknown field "spec\.replica"/,
      );
      assert.match(await kubectlFails('get', 'nonsense'), /error: the server doesn't have a resource type "nonsense"/);
      assert.match(await kubectlFails('get', 'pod', 'nobody'), /Error from server \(NotFound\): pods "nobody" not found/);
      assert.match(
        await cluster().kubectlFails(['create', 'configmap', 'a', '-n', 'nowhere']),
        /error: failed to create configmap: namespaces "nowhere" not found/,
      );
    });
  });
}
