import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { servedResources } from '#control/apiserver/kinds/served-resources.testing.ts';
import { createOpenApi } from './openapi.ts';
import { createOpenApiV2 } from './openapi-v2.ts';

interface Parameter {
  name: string;
  in: string;
  schema: { type: string };
}
interface Operation {
  operationId: string;
  parameters?: Parameter[];
  responses: Record<string, unknown>;
  'x-kubernetes-action': string;
  'x-kubernetes-group-version-kind': { group: string; version: string; kind: string };
}
type Paths = Record<string, { parameters?: Parameter[] } & Record<string, Operation>>;

const openapi = createOpenApi(servedResources(), 'v1.36.0', () => ({}));
const parse = <T>(bytes: Uint8Array | undefined): T => JSON.parse(Buffer.from(bytes ?? []).toString()) as T;
const pathsOf = (document: string): Paths => parse<{ paths: Paths }>(openapi.document(document)).paths;

/** The names of all parameters of an operation, with those of its path. */
function parameters(paths: Paths, method: string, path: string): string {
  const operation = paths[path]?.[method];
  assert.ok(operation !== undefined, `${method} ${path}`);
  return [...(operation.parameters ?? []), ...(paths[path]?.parameters ?? [])]
    .map(({ name, in: place }) => (place === 'path' ? `{${name}}` : name))
    .sort()
    .join(' ');
}

const listing = 'continue fieldSelector labelSelector limit pretty resourceVersion resourceVersionMatch sendInitialEvents';
const list = `allowWatchBookmarks ${listing} shardSelector timeoutSeconds watch`;
const write = 'dryRun fieldManager fieldValidation';
const remove =
  'dryRun gracePeriodSeconds ignoreStoreReadErrorWithClusterBreakingPotential orphanDependents pretty propagationPolicy';
const names = '{name} {namespace}';
const sorted = (text: string): string => text.split(' ').sort().join(' ');

describe('OpenAPI v3 paths', () => {
  const core = pathsOf('api/v1');
  const pods = '/api/v1/namespaces/{namespace}/pods';
  /** The operations as upstream publishes them (api/openapi-spec/v3/api__v1_openapi.json). */
  const expected: [method: string, path: string, operationId: string, parameters: string][] = [
    ['get', '/api/v1/pods', 'listCoreV1PodForAllNamespaces', list],
    ['get', '/api/v1/watch/pods', 'watchCoreV1PodListForAllNamespaces', list],
    ['get', pods, 'listCoreV1NamespacedPod', `{namespace} ${list}`],
    ['post', pods, 'createCoreV1NamespacedPod', `{namespace} ${write} pretty`],
    [
      'delete',
      pods,
      'deleteCoreV1CollectionNamespacedPod',
      [...new Set(`{namespace} ${listing} ${remove} shardSelector timeoutSeconds`.split(' '))].join(' '),
    ],
    ['get', `${pods}/{name}`, 'readCoreV1NamespacedPod', `${names} pretty`],
    ['put', `${pods}/{name}`, 'replaceCoreV1NamespacedPod', `${names} ${write} pretty`],
    ['patch', `${pods}/{name}`, 'patchCoreV1NamespacedPod', `${names} ${write} force pretty`],
    ['delete', `${pods}/{name}`, 'deleteCoreV1NamespacedPod', `${names} ${remove}`],
    ['patch', `${pods}/{name}/status`, 'patchCoreV1NamespacedPodStatus', `${names} ${write} force pretty`],
    ['post', `${pods}/{name}/binding`, 'createCoreV1NamespacedPodBinding', `${names} ${write} pretty`],
    ['post', `${pods}/{name}/eviction`, 'createCoreV1NamespacedPodEviction', `${names} ${write} pretty`],
    [
      'get',
      `${pods}/{name}/log`,
      'readCoreV1NamespacedPodLog',
      `${names} container follow insecureSkipTLSVerifyBackend limitBytes pretty previous sinceSeconds stream tailLines timestamps`,
    ],
    ['post', `${pods}/{name}/exec`, 'connectCoreV1PostNamespacedPodExec', `${names} command container stderr stdin stdout tty`],
    ['get', `${pods}/{name}/portforward`, 'connectCoreV1GetNamespacedPodPortforward', `${names} ports`],
    ['head', '/api/v1/nodes/{name}/proxy/{path}', 'connectCoreV1HeadNodeProxyWithPath', '{name} path {path}'],
    ['put', '/api/v1/namespaces/{name}/finalize', 'replaceCoreV1NamespaceFinalize', `{name} ${write} pretty`],
    ['post', '/api/v1/namespaces/{namespace}/bindings', 'createCoreV1NamespacedBinding', `{namespace} ${write} pretty`],
  ];
  for (const [method, path, operationId, wanted] of expected) {
    it(`${method} ${path}`, () => {
      assert.equal(parameters(core, method, path), sorted(wanted));
      assert.equal(core[path]?.[method]?.operationId, operationId);
    });
  }

  it('gives the kind of each operation, also for subresources', () => {
    const scale = pathsOf('apis/apps/v1')['/apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale']?.['patch'];
    assert.equal(scale?.operationId, 'patchAppsV1NamespacedDeploymentScale');
    assert.deepEqual(scale?.['x-kubernetes-group-version-kind'], { group: 'autoscaling', kind: 'Scale', version: 'v1' });
  });

  const reviews: [path: string, operationId: string][] = [
    ['authentication.k8s.io/v1/selfsubjectreviews', 'createAuthenticationV1SelfSubjectReview'],
    ['authentication.k8s.io/v1/tokenreviews', 'createAuthenticationV1TokenReview'],
    [
      'authorization.k8s.io/v1/namespaces/{namespace}/localsubjectaccessreviews',
      'createAuthorizationV1NamespacedLocalSubjectAccessReview',
    ],
    ['authorization.k8s.io/v1/selfsubjectaccessreviews', 'createAuthorizationV1SelfSubjectAccessReview'],
    ['authorization.k8s.io/v1/selfsubjectrulesreviews', 'createAuthorizationV1SelfSubjectRulesReview'],
    ['authorization.k8s.io/v1/subjectaccessreviews', 'createAuthorizationV1SubjectAccessReview'],
  ];
  for (const [path, operationId] of reviews) {
    it(`a review can only be created: ${path}`, () => {
      const paths = pathsOf(`apis/${path.split('/').slice(0, 2).join('/')}`);
      const methods = Object.keys(paths[`/apis/${path}`] ?? {}).filter((key) => key !== 'parameters');
      assert.deepEqual(methods, ['post']);
      const place = path.includes('{namespace}') ? '{namespace} ' : '';
      assert.equal(parameters(paths, 'post', `/apis/${path}`), sorted(`${place}${write} pretty`));
      assert.equal(paths[`/apis/${path}`]?.['post']?.operationId, operationId);
    });
  }

  it('has no operation that the server refuses: namespaces cannot be deleted as a collection', () => {
    assert.equal(core['/api/v1/namespaces']?.['delete'], undefined);
    assert.ok(core['/api/v1/nodes']?.['delete'] !== undefined);
  });

  it('every operation has an id of its own, a kind, and responses', () => {
    const documents = Object.keys(parse<{ paths: object }>(openapi.index()).paths);
    const operations = documents.flatMap((document) =>
      Object.values(pathsOf(document)).flatMap((item) =>
        Object.entries(item).flatMap(([key, value]) => (key === 'parameters' ? [] : [value as Operation])),
      ),
    );
    assert.ok(operations.length > 100);
    assert.equal(new Set(operations.map(({ operationId }) => operationId)).size, operations.length);
    for (const { responses, operationId } of operations) assert.ok(Object.hasOwn(responses, '200'), operationId);
  });

  it('refers only to schemas of the document', () => {
    for (const document of Object.keys(parse<{ paths: object }>(openapi.index()).paths)) {
      const text = Buffer.from(openapi.document(document) ?? []).toString();
      const { components } = JSON.parse(text) as { components: { schemas?: Record<string, unknown> } };
      for (const [, name = ''] of text.matchAll(/#\/components\/schemas\/([^"]+)"/g))
        assert.ok(Object.hasOwn(components.schemas ?? {}, name), `${document}: ${name}`);
    }
  });
});

describe('OpenAPI v2 paths', () => {
  it('are those of v3', () => {
    const { paths } = parse<{ paths: Paths }>(createOpenApiV2(openapi).json());
    const pod = '/api/v1/namespaces/{namespace}/pods/{name}';
    assert.equal(parameters(paths, 'patch', pod), sorted(`${names} ${write} body force pretty`));
    assert.equal(Object.keys(paths).filter((path) => path.startsWith('/api/v1/')).length, Object.keys(pathsOf('api/v1')).length);
  });
});
