/**
 * Bodies that take far longer to read than their length suggests, or as long as their length allows. For tests and `npm run bench
 * -- api-hostile`.
 */
import { encodeProtobuf } from '#api/codec/protobuf.ts';

/** The resources to which the bodies are sent. */
export type Target = 'configmaps' | 'pods' | 'services' | 'deployments' | 'endpoints' | 'endpointslices' | 'nodes' | 'secrets';

/** A request with a hostile body. */
export interface HostileBody {
  name: string;
  /** POST goes to the collection; PATCH and PUT to an object that is made from `seed`. */
  method: 'POST' | 'PATCH' | 'PUT';
  target: Target;
  contentType: string;
  body: Uint8Array;
  /** The object that is changed. */
  seed?: object;
}

const apiVersions: Readonly<Record<Target, string>> = {
  configmaps: 'v1',
  secrets: 'v1',
  pods: 'v1',
  services: 'v1',
  endpoints: 'v1',
  nodes: 'v1',
  deployments: 'apps/v1',
  endpointslices: 'discovery.k8s.io/v1',
};
const kinds: Readonly<Record<Target, string>> = {
  configmaps: 'ConfigMap',
  secrets: 'Secret',
  pods: 'Pod',
  services: 'Service',
  endpoints: 'Endpoints',
  nodes: 'Node',
  deployments: 'Deployment',
  endpointslices: 'EndpointSlice',
};

/** The path to which a body is sent. */
export function pathOf({ method, target, contentType }: HostileBody): string {
  const query = contentType.includes('apply-patch') ? '?fieldManager=hostile' : '';
  return method === 'POST' ? collectionPath(target) : `${collectionPath(target)}/hostile${query}`;
}

/** The path of a resource's collection. */
export function collectionPath(target: Target): string {
  const version = apiVersions[target];
  const root = version.includes('/') ? `/apis/${version}` : `/api/${version}`;
  return target === 'nodes' ? `${root}/nodes` : `${root}/namespaces/default/${target}`;
}

const many = <T>(count: number, item: (index: number) => T): T[] => Array.from({ length: count }, (_, index) => item(index));
const members = (count: number, value: string): Record<string, string> =>
  Object.fromEntries(many(count, (index) => [`k${index}`, value]));
const object = (target: Target, rest: object, name = 'hostile'): object => ({
  apiVersion: apiVersions[target],
  kind: kinds[target],
  metadata: { name },
  ...rest,
});
const pod = (spec: object): object => object('pods', { spec: { containers: [{ name: 'a', image: 'a' }], ...spec } });
const container = (rest: object): object => pod({ containers: [{ name: 'a', image: 'a', ...rest }] });

const json = (name: string, target: Target, value: object | string): HostileBody => ({
  name: `json: ${name}`,
  method: 'POST',
  target,
  contentType: 'application/json',
  body: Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)),
});
const yaml = (name: string, text: string): HostileBody => ({
  name: `yaml: ${name}`,
  method: 'POST',
  target: 'configmaps',
  contentType: 'application/yaml',
  body: Buffer.from(text),
});
const protobuf = (name: string, target: Target, value: object): HostileBody => {
  const type = `${target === 'deployments' ? 'apps/v1' : 'core/v1'}.${kinds[target]}`;
  const meta = { apiVersion: apiVersions[target], kind: kinds[target] };
  return rawProtobuf(name, target, encodeProtobuf(value, type, meta));
};
const rawProtobuf = (name: string, target: Target, body: Uint8Array): HostileBody => ({
  name: `protobuf: ${name}`,
  method: 'POST',
  target,
  contentType: 'application/vnd.kubernetes.protobuf',
  body,
});
const patch = (name: string, target: Target, type: string, seed: object, body: object | string): HostileBody => ({
  name: `${type}: ${name}`,
  method: 'PATCH',
  target,
  contentType: `application/${type}+${type === 'apply-patch' ? 'yaml' : 'json'}`,
  body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
  seed,
});

const head = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: hostile}\n';
const layered = (depth: number, layer: (below: number) => string): string =>
  `a0: &a0 {k: v, l: w}\n${many(depth, (below) => `a${below + 1}: &a${below + 1} ${layer(below)}`).join('\n')}\n`;

/** @param scale 1: bodies near the limit of 3 MiB */
export function hostileBodies(scale: number): HostileBody[] {
  const n = (count: number): number => Math.max(10, Math.floor(count * scale));
  const list = (count: number, item: string): string => Array(n(count)).fill(item).join(',');
  /** The length-delimited field `number`, empty and many times, in a message that is field 2 (spec) of a Pod. */
  const emptyMessages = (count: number, number: number): Buffer =>
    podWithSpec(repeated(Buffer.from([number * 8 + 2, 0]), n(count)));
  return [
    ...yamlBodies(n),
    ...jsonBodies(n, list),
    protobuf('a flat map', 'configmaps', object('configmaps', { data: members(n(200_000), 'v') })),
    protobuf('labels', 'configmaps', { ...object('configmaps', {}), metadata: { name: 'a', labels: members(n(200_000), 'v') } }),
    protobuf('valid containers', 'pods', pod({ containers: many(n(100_000), (index) => ({ name: `c${index}`, image: 'a' })) })),
    protobuf('variables', 'pods', container({ env: many(n(150_000), (index) => ({ name: `E${index}`, value: 'v' })) })),
    rawProtobuf('empty containers', 'pods', emptyMessages(700_000, 2)),
    rawProtobuf('empty volumes', 'pods', emptyMessages(700_000, 1)),
    rawProtobuf('groups in groups', 'pods', podWithSpec(repeated(Buffer.from([0xa3, 0x06]), n(1_400_000)))),
    rawProtobuf('unknown fields', 'pods', podWithSpec(repeated(Buffer.from([0xf8, 0x7f, 0]), n(1_000_000)))),
    rawProtobuf('the same message again and again', 'pods', repeatedSpec(n(1_000_000))),
    rawProtobuf('a truncated length', 'pods', podWithSpec(Buffer.from([0x12, 0xff, 0xff, 0xff, 0xff, 0x07]))),
    ...patchBodies(n, list),
  ];
}

function yamlBodies(n: (count: number) => number): HostileBody[] {
  return [
    yaml('comments', `${head}${'# a comment line\n'.repeat(n(180_000))}`),
    yaml('documents', `${head}${'---\n'.repeat(n(750_000))}`),
    yaml('documents before', `${'---\n'.repeat(n(750_000))}${head}`),
    yaml('empty lines', `${head}${'\n'.repeat(n(3_000_000))}`),
    yaml('a flat map', `${head}data:\n${many(n(250_000), (index) => `  k${index}: v\n`).join('')}`),
    yaml('a flow map', `${head}data: {${many(n(250_000), (index) => `k${index}: v`).join(', ')}}\n`),
    yaml('duplicate keys', `${head}data:\n${'  a: b\n'.repeat(n(400_000))}`),
    yaml('unknown fields', `${head}${many(n(250_000), (index) => `k${index}: v\n`).join('')}`),
    yaml('a flow sequence', `${head}x: [${'a, '.repeat(n(900_000))}b]`),
    yaml('a sequence of sequences', `${head}x:\n${'- - - - a\n'.repeat(n(280_000))}`),
    yaml('anchors', `${head}x:\n${many(n(150_000), (index) => `- &a${index} v\n`).join('')}`),
    yaml('aliases', `${head}x: &a v\ny:\n${'- *a\n'.repeat(n(500_000))}`),
    yaml('aliases of a map', `${head}x: &a {a: b, c: d, e: f, g: h}\ny:\n${'- *a\n'.repeat(n(100_000))}`),
    yaml('a merge bomb', `${head}${layered(40, (below) => `{<<: [*a${below}, *a${below}]}`)}`),
    yaml('a wide merge bomb', `${head}${layered(n(100_000), (below) => `{<<: *a${below}, k${below}: v}`)}`),
    yaml('block scalars', `${head}data:\n${many(n(100_000), (index) => `  k${index}: |\n    text\n`).join('')}`),
    yaml('a folded scalar', `${head}data:\n  a: >\n${'    text\n\n'.repeat(n(250_000))}`),
    yaml('a quoted scalar', `${head}data:\n  a: "x\n${'    \\u00e9\n'.repeat(n(250_000))}    "`),
    yaml('deep flow', `${head}x: ${'['.repeat(n(1_500_000))}${']'.repeat(n(1_500_000))}`),
    yaml('deep blocks', `${head}${many(Math.min(990, n(9900)), (index) => `${' '.repeat(index)}x:\n`).join('')}`),
    yaml('digits', `${head}x: ${'7'.repeat(n(3_000_000))}`),
  ];
}

function jsonBodies(n: (count: number) => number, list: (count: number, item: string) => string): HostileBody[] {
  const raw = (rest: string): string => `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"hostile"},${rest}}`;
  return [
    json('a flat map', 'configmaps', object('configmaps', { data: members(n(200_000), 'v') })),
    json('duplicate keys', 'configmaps', raw(`"data":{${list(400_000, '"a":"b"')}}`)),
    json('unknown fields', 'configmaps', raw(many(n(200_000), (index) => `"k${index}":1`).join(','))),
    json('one unknown field again and again', 'configmaps', raw(list(400_000, '"k":{}'))),
    json('an unknown list', 'configmaps', raw(`"x":[${list(1_400_000, '0')}]`)),
    json('deep lists', 'configmaps', raw(`"x":${'['.repeat(n(3_000_000))}`)),
    json('a long string', 'configmaps', raw(`"data":{"a":"${'x'.repeat(n(900_000))}"}`)),
    json('escapes', 'configmaps', raw(`"data":{"a":"${'\\u0041'.repeat(n(400_000))}"}`)),
    json('digits', 'pods', raw(`"spec":{"priority":${'7'.repeat(n(3_000_000))}}`).replace('ConfigMap', 'Pod')),
    json('labels', 'configmaps', { ...object('configmaps', {}), metadata: { name: 'a', labels: members(n(180_000), 'v') } }),
    json('wrong labels', 'configmaps', {
      ...object('configmaps', {}),
      metadata: { name: 'a', labels: members(n(180_000), '/') },
    }),
    json('finalizers', 'configmaps', {
      ...object('configmaps', {}),
      metadata: { name: 'a', finalizers: many(n(150_000), (i) => `a.b/f${i}`) },
    }),
    json('owners', 'configmaps', {
      ...object('configmaps', {}),
      metadata: {
        name: 'a',
        ownerReferences: many(n(25_000), (i) => ({ apiVersion: 'v1', kind: 'Pod', name: 'p', uid: `u${i}`, controller: true })),
      },
    }),
    json('managed fields', 'configmaps', {
      ...object('configmaps', {}),
      metadata: {
        name: 'a',
        managedFields: many(n(15_000), (i) => ({
          manager: `m${i}`,
          operation: 'Update',
          apiVersion: 'v1',
          fieldsType: 'FieldsV1',
          fieldsV1: { 'f:data': { [`f:${i}`]: {} } },
        })),
      },
    }),
    json('empty containers', 'pods', pod({ containers: many(n(900_000), () => ({})) })),
    json('valid containers', 'pods', pod({ containers: many(n(90_000), (index) => ({ name: `c${index}`, image: 'a' })) })),
    json('containers of one name', 'pods', pod({ containers: many(n(100_000), () => ({ name: 'c', image: 'a' })) })),
    json('volumes', 'pods', pod({ volumes: many(n(70_000), (index) => ({ name: `v${index}`, emptyDir: {} })) })),
    json(
      'volume mounts',
      'pods',
      container({
        volumeMounts: many(n(60_000), (index) => ({ name: 'v', mountPath: `/m${index}` })),
        volumeDevices: many(n(10_000), (i) => ({ name: `d${i}`, devicePath: `/d${i}` })),
      }),
    ),
    json('variables', 'pods', container({ env: many(n(90_000), (index) => ({ name: `E${index}`, value: 'v' })) })),
    json('variables of one name', 'pods', container({ env: many(n(90_000), () => ({ name: 'E', value: 'v' })) })),
    json('ports', 'pods', container({ ports: many(n(90_000), (index) => ({ containerPort: (index % 60_000) + 1 })) })),
    json('tolerations', 'pods', pod({ tolerations: many(n(80_000), (index) => ({ key: `k${index}`, operator: 'Exists' })) })),
    json('image pull secrets', 'pods', pod({ imagePullSecrets: many(n(150_000), (index) => ({ name: `s${index}` })) })),
    json('host aliases', 'pods', pod({ hostAliases: many(n(60_000), (index) => ({ ip: '1.2.3.4', hostnames: [`h${index}`] })) })),
    json(
      'topology spread',
      'pods',
      pod({
        topologySpreadConstraints: many(n(30_000), (index) => ({
          maxSkew: 1,
          topologyKey: `k${index}`,
          whenUnsatisfiable: 'DoNotSchedule',
        })),
      }),
    ),
    json('groups', 'pods', pod({ securityContext: { supplementalGroups: many(n(500_000), (index) => index) } })),
    json('resource claims', 'pods', container({ resources: { claims: many(n(80_000), (index) => ({ name: `c${index}` })) } })),
    json(
      'service ports',
      'services',
      object('services', { spec: { ports: many(n(60_000), (index) => ({ name: `p${index}`, port: (index % 60_000) + 1 })) } }),
    ),
    json(
      'cluster addresses',
      'services',
      object('services', { spec: { clusterIPs: many(n(150_000), () => '10.96.0.9'), ports: [{ port: 1 }] } }),
    ),
    json(
      'endpoints',
      'endpointslices',
      object('endpointslices', {
        addressType: 'IPv4',
        ports: [],
        endpoints: many(n(60_000), () => ({ addresses: ['10.0.0.1'], hints: {} })),
      }),
    ),
    json(
      'hints',
      'endpointslices',
      object('endpointslices', {
        addressType: 'IPv4',
        ports: [],
        endpoints: [{ addresses: ['10.0.0.1'], hints: { forZones: many(n(100_000), (index) => ({ name: `z${index}` })) } }],
      }),
    ),
    json(
      'slice ports',
      'endpointslices',
      object('endpointslices', {
        addressType: 'IPv4',
        ports: many(n(80_000), (index) => ({ name: `p${index}`, port: 1 })),
        endpoints: [],
      }),
    ),
    json(
      'addresses',
      'endpoints',
      object('endpoints', { subsets: [{ addresses: many(n(100_000), () => ({ ip: '10.0.0.1' })), ports: [{ port: 1 }] }] }),
    ),
    json(
      'taints',
      'nodes',
      object('nodes', { spec: { taints: many(n(60_000), (index) => ({ key: `k${index}`, effect: 'NoSchedule' })) } }),
    ),
    json('secret data', 'secrets', object('secrets', { data: members(n(180_000), 'YQ==') })),
    json(
      'selector values',
      'deployments',
      object('deployments', {
        spec: {
          selector: { matchExpressions: many(n(60_000), (index) => ({ key: `k${index}`, operator: 'Exists' })) },
          template: { metadata: { labels: members(n(60_000), 'v') }, spec: { containers: [{ name: 'a', image: 'a' }] } },
        },
      }),
    ),
  ];
}

function patchBodies(n: (count: number) => number, list: (count: number, item: string) => string): HostileBody[] {
  const big = object('configmaps', { data: members(n(50_000), 'v') });
  const labelled = { ...object('configmaps', { data: { a: 'x'.repeat(200_000) } }) };
  const wide = container({ env: many(n(10_000), (index) => ({ name: `E${index}`, value: 'v' })) });
  const finalized = {
    ...object('configmaps', {}),
    metadata: { name: 'hostile', finalizers: many(n(20_000), (index) => `a.b/f${index}`) },
  };
  return [
    patch('copies that double', 'configmaps', 'json-patch', object('configmaps', { data: { a: 'x'.repeat(50_000) } }), [
      ...many(40, (index) => ({ op: 'copy', from: '/data', path: `/data/c${index}` })),
    ]),
    patch(
      'copies of a large value',
      'configmaps',
      'json-patch',
      labelled,
      many(9999, (index) => ({ op: 'copy', from: '/data/a', path: `/data/c${index}` })),
    ),
    patch(
      'moves of a large value',
      'configmaps',
      'json-patch',
      big,
      many(9999, (index) => ({ op: 'move', from: index % 2 === 0 ? '/data' : '/x', path: index % 2 === 0 ? '/x' : '/data' })),
    ),
    patch(
      'tests of a large value',
      'configmaps',
      'json-patch',
      big,
      many(9999, () => ({ op: 'test', path: '/data', value: {} })),
    ),
    patch(
      'additions at the front',
      'configmaps',
      'json-patch',
      finalized,
      many(9999, (index) => ({ op: 'add', path: '/metadata/finalizers/0', value: `c.d/g${index}` })),
    ),
    patch(
      'too many operations',
      'configmaps',
      'json-patch',
      big,
      `[${list(80_000, '{"op":"test","path":"/kind","value":"x"}')}]`,
    ),
    patch('long paths', 'configmaps', 'json-patch', big, [{ op: 'add', path: '/a'.repeat(n(1_400_000)), value: 1 }]),
    patch('escaped paths', 'configmaps', 'json-patch', big, [
      { op: 'add', path: `/data/${'~1'.repeat(n(1_400_000))}`, value: 'v' },
    ]),
    patch('a flat map', 'configmaps', 'merge-patch', big, { data: members(n(200_000), 'w') }),
    patch('nulls', 'configmaps', 'merge-patch', big, {
      data: Object.fromEntries(many(n(200_000), (index) => [`k${index}`, null])),
    }),
    patch('deep maps', 'configmaps', 'merge-patch', big, `{"data":${'{"a":'.repeat(n(500_000))}1${'}'.repeat(n(500_000))}}`),
    patch('a flat map', 'configmaps', 'strategic-merge-patch', big, { data: members(n(200_000), 'w') }),
    patch('elements of a list by key', 'pods', 'strategic-merge-patch', wide, {
      spec: { containers: [{ name: 'a', env: many(n(60_000), (index) => ({ name: `E${index}`, value: 'w' })) }] },
    }),
    patch('elements of a list by value', 'configmaps', 'strategic-merge-patch', finalized, {
      metadata: { finalizers: many(n(120_000), (index) => `a.b/f${index}`) },
    }),
    patch('deletions from a list by key', 'pods', 'strategic-merge-patch', wide, {
      spec: { containers: [{ name: 'a', env: many(n(60_000), (index) => ({ name: `E${index}`, $patch: 'delete' })) }] },
    }),
    patch('deletions from a list by value', 'configmaps', 'strategic-merge-patch', finalized, {
      metadata: { '$deleteFromPrimitiveList/finalizers': many(n(120_000), (index) => `a.b/g${index}`) },
    }),
    patch('an order of elements', 'configmaps', 'strategic-merge-patch', finalized, {
      metadata: {
        '$setElementOrder/finalizers': many(n(120_000), (index) => `a.b/f${n(20_000) - index}`),
        finalizers: ['a.b/x'],
      },
    }),
    patch('keys to retain', 'configmaps', 'strategic-merge-patch', big, {
      data: { $retainKeys: many(n(100_000), (index) => `k${index}`), ...members(n(60_000), 'w') },
    }),
    patch('a flat map', 'configmaps', 'apply-patch', big, object('configmaps', { data: members(n(200_000), 'w') })),
    patch(
      'elements of a list by key',
      'pods',
      'apply-patch',
      wide,
      container({ env: many(n(50_000), (index) => ({ name: `E${index}`, value: 'w' })) }),
    ),
    patch('elements of a set', 'configmaps', 'apply-patch', finalized, {
      ...object('configmaps', {}),
      metadata: { name: 'hostile', finalizers: many(n(120_000), (index) => `a.b/g${index}`) },
    }),
    patch('duplicate elements', 'configmaps', 'apply-patch', finalized, {
      ...object('configmaps', {}),
      metadata: { name: 'hostile', finalizers: many(n(120_000), () => 'a.b/g') },
    }),
    patch('unknown fields', 'configmaps', 'apply-patch', big, object('configmaps', members(n(200_000), 'w'))),
    patch('a merge bomb', 'configmaps', 'apply-patch', big, `${head}${layered(40, (below) => `{<<: [*a${below}, *a${below}]}`)}`),
  ];
}

/** A Pod in its envelope with these bytes as its spec. */
function podWithSpec(spec: Buffer): Buffer {
  return enveloped(Buffer.concat([Buffer.from([0x0a, 0x03, 0x0a, 0x01, 0x61]), delimited(2, spec)]));
}

/** A Pod with many specs, each of which is merged into the one before. */
function repeatedSpec(count: number): Buffer {
  return enveloped(Buffer.concat([Buffer.from([0x0a, 0x03, 0x0a, 0x01, 0x61]), repeated(Buffer.from([0x12, 0]), count)]));
}

const enveloped = (raw: Buffer): Buffer =>
  Buffer.concat([
    Buffer.from('k8s\0', 'latin1'),
    delimited(1, Buffer.concat([delimited(1, Buffer.from('v1')), delimited(2, Buffer.from('Pod'))])),
    delimited(2, raw),
  ]);

const repeated = (bytes: Buffer, count: number): Buffer => Buffer.alloc(bytes.length * count, bytes);

function delimited(field: number, content: Buffer): Buffer {
  const length: number[] = [];
  let rest = content.length;
  for (; rest >= 0x80; rest >>>= 7) length.push((rest & 0x7f) | 0x80);
  return Buffer.concat([Buffer.from([field * 8 + 2, ...length, rest]), content]);
}
