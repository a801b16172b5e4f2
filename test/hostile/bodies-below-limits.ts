/**
 * Large bodies that are accepted: the maximum of values, and of the lengths of strings, lists and maps, so that a write is
 * carried out completely. Each shape is created, replaced, patched in every way and applied, on small and on large stored
 * objects.
 */
import { type HostileBody, type Target } from './bodies.ts';

type Json = Record<string, unknown>;

/** A kind of object that can be as large as the limits allow. */
interface Shape {
  name: string;
  target: Target;
  /** @param value all values in the object, so that two objects with different values differ everywhere */
  make(count: number, value: string): Json;
  /** The number of items in the largest object that is accepted. */
  count: number;
  /** JSON pointers to the container of the items, and to the n-th item. */
  container: string;
  item(index: number, value: string): { path: string; value: unknown };
}

const many = <T>(count: number, item: (index: number) => T): T[] => Array.from({ length: count }, (_, index) => item(index));
const members = (count: number, value: string): Json => Object.fromEntries(many(count, (index) => [`k${index}`, value]));
const configMap = (metadata: Json, rest: Json): Json => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'hostile', ...metadata },
  ...rest,
});
const pod = (spec: Json, metadata: Json = {}): Json => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'hostile', ...metadata },
  spec: { containers: [{ name: 'a', image: 'a' }], ...spec },
});
const container = (rest: Json): Json => pod({ containers: [{ name: 'a', image: 'a', ...rest }] });
/** The n-th item under a container's `env` or `ports`, as a whole. */
const inMap =
  (pointer: string) =>
  (index: number, value: string): { path: string; value: unknown } => ({ path: `${pointer}/k${index}`, value });

const shapes: readonly Shape[] = [
  {
    name: 'data',
    target: 'configmaps',
    make: (count, value) => configMap({}, { data: members(count, value) }),
    count: 24_900,
    container: '/data',
    item: inMap('/data'),
  },
  {
    name: 'labels',
    target: 'configmaps',
    make: (count, value) => configMap({ labels: members(count, value) }, {}),
    count: 24_900,
    container: '/metadata/labels',
    item: inMap('/metadata/labels'),
  },
  {
    name: 'annotations',
    target: 'configmaps',
    // All annotations together may have 256 KiB.
    make: (count, value) => configMap({ annotations: members(count, value) }, {}),
    count: 24_900,
    container: '/metadata/annotations',
    item: inMap('/metadata/annotations'),
  },
  {
    name: 'tracked data',
    target: 'configmaps',
    // The maximum of values for which field managers are still recorded.
    make: (count, value) => configMap({}, { data: members(count, value) }),
    count: 19_000,
    container: '/data',
    item: inMap('/data'),
  },
  {
    name: 'finalizers',
    target: 'configmaps',
    make: (count, value) => configMap({ finalizers: many(count, (index) => `a.b/${value}${index}`) }, {}),
    count: 90_000,
    container: '/metadata/finalizers',
    item: (index, value) => ({ path: `/metadata/finalizers/${index}`, value: `c.d/${value}${index}` }),
  },
  {
    name: 'secret data',
    target: 'secrets',
    make: (count, value) => ({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'hostile' },
      data: members(count, btoa(value)),
    }),
    count: 24_900,
    container: '/data',
    item: (index, value) => ({ path: `/data/k${index}`, value: btoa(value) }),
  },
  {
    name: 'one long string',
    target: 'configmaps',
    make: (count, value) => configMap({}, { data: { a: value.repeat(count) } }),
    count: 1_000_000,
    container: '/data',
    item: (index, value) => ({ path: `/data/k${index}`, value }),
  },
  {
    name: 'one string of escapes',
    target: 'configmaps',
    make: (count, value) => configMap({}, { data: { a: `${value}\n"\u0001é`.repeat(count) } }),
    count: 170_000,
    container: '/data',
    item: (index, value) => ({ path: `/data/k${index}`, value }),
  },
  {
    name: 'strings of a kilobyte',
    target: 'configmaps',
    make: (count, value) => configMap({}, { data: members(count, value.repeat(1000)) }),
    count: 1000,
    container: '/data',
    item: (index, value) => ({ path: `/data/k${index}`, value: value.repeat(1000) }),
  },
  {
    name: 'containers',
    target: 'pods',
    make: (count, value) => pod({ containers: many(count, (index) => ({ name: `c${index}`, image: value })) }),
    count: 7_000,
    container: '/spec/containers',
    item: (index, value) => ({ path: `/spec/containers/${index}/image`, value }),
  },
  {
    name: 'volumes',
    target: 'pods',
    make: (count, value) =>
      pod({ volumes: many(count, (index) => ({ name: `v${index}`, emptyDir: {} })) }, { labels: { a: value } }),
    count: 30_000,
    container: '/metadata/labels',
    item: (index, value) => ({ path: `/metadata/labels/k${index}`, value }),
  },
  {
    name: 'variables',
    target: 'deployments',
    make: (count, value) => ({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'hostile' },
      spec: {
        selector: { matchLabels: { a: 'b' } },
        template: {
          metadata: { labels: { a: 'b' } },
          spec: { containers: [{ name: 'a', image: 'a', env: many(count, (index) => ({ name: `E${index}`, value })) }] },
        },
      },
    }),
    count: 32_000,
    container: '/spec/template/spec/containers/0/env',
    item: (index, value) => ({ path: `/spec/template/spec/containers/0/env/${index}/value`, value }),
  },
  {
    name: 'tolerations',
    target: 'pods',
    make: (count, value) =>
      pod({ tolerations: many(count, (index) => ({ key: `k${index}`, operator: 'Exists' })) }, { labels: { a: value } }),
    count: 30_000,
    container: '/metadata/labels',
    item: (index, value) => ({ path: `/metadata/labels/k${index}`, value }),
  },
  {
    name: 'mounts',
    target: 'pods',
    make: (count, value) => ({
      ...container({ volumeMounts: many(count, (index) => ({ name: 'v', mountPath: `/${value}${index}` })) }),
      metadata: { name: 'hostile', labels: { a: value } },
    }),
    count: 30_000,
    container: '/metadata/labels',
    item: (index, value) => ({ path: `/metadata/labels/k${index}`, value }),
  },
  {
    name: 'service ports',
    target: 'services',
    make: (count, value) => ({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'hostile', labels: { a: value } },
      spec: { ports: many(count, (index) => ({ name: `p${index}`, port: index + 1 })) },
    }),
    count: 16_000,
    container: '/metadata/labels',
    item: (index, value) => ({ path: `/metadata/labels/k${index}`, value }),
  },
  {
    name: 'taints',
    target: 'nodes',
    make: (count, value) => ({
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: 'hostile' },
      spec: { taints: many(count, (index) => ({ key: `k${index}`, value, effect: 'NoSchedule' })) },
    }),
    count: 24_000,
    container: '/spec/taints',
    item: (index, value) => ({ path: `/spec/taints/${index}/value`, value }),
  },
  {
    name: 'addresses',
    target: 'endpoints',
    make: (count, value) => ({
      apiVersion: 'v1',
      kind: 'Endpoints',
      metadata: { name: 'hostile', labels: { a: value } },
      subsets: [
        {
          addresses: many(count, (index) => ({ ip: `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}` })),
          ports: [{ port: 1 }],
        },
      ],
    }),
    count: 48_000,
    container: '/metadata/labels',
    item: (index, value) => ({ path: `/metadata/labels/k${index}`, value }),
  },
];

/** @param scale 1: bodies just below the limits */
export function bodiesBelowLimits(scale: number): HostileBody[] {
  return [...shapes.flatMap((shape) => bodiesOf(shape, scale)), ...deepBodies()];
}

function bodiesOf(shape: Shape, scale: number): HostileBody[] {
  const { name, target } = shape;
  const count = Math.max(10, Math.floor(shape.count * scale));
  const [small, large, other] = [shape.make(2, 'v'), shape.make(count, 'v'), shape.make(count, 'w')];
  const operations = Math.min(9_900, Math.max(1, Math.floor(count / 10)));
  const steps = (op: string): object[] => many(operations, (index) => ({ op, ...shape.item(index, 'w') }));
  const isMap = shape.item(0, 'w').path === `${shape.container}/k0`;
  const body = (what: string, method: HostileBody['method'], type: string, value: unknown, seed?: object): HostileBody => ({
    name: `below limits: ${name}: ${what}`,
    method,
    target,
    contentType: `application/${type}`,
    body: Buffer.from(JSON.stringify(value)),
    ...(seed === undefined ? {} : { seed }),
  });
  const note = { metadata: { annotations: { note: 'n' } } };
  const changed = [
    body('create', 'POST', 'json', large),
    body('create from YAML', 'POST', 'yaml', large),
    body('create by apply', 'PATCH', 'apply-patch+yaml', large),
    body('replace a small one', 'PUT', 'json', large, small),
    body('replace a large one', 'PUT', 'json', other, large),
    body('replace by the same', 'PUT', 'json', large, large),
    body('replace by a small one', 'PUT', 'json', small, large),
    body('merge into a small one', 'PATCH', 'merge-patch+json', large, small),
    body('merge into a large one', 'PATCH', 'merge-patch+json', other, large),
    body('merge a note into a large one', 'PATCH', 'merge-patch+json', note, large),
    body('strategic merge into a small one', 'PATCH', 'strategic-merge-patch+json', large, small),
    body('strategic merge into a large one', 'PATCH', 'strategic-merge-patch+json', other, large),
    body('strategic merge of a note into a large one', 'PATCH', 'strategic-merge-patch+json', note, large),
    body('JSON patch of one place', 'PATCH', 'json-patch+json', [{ op: 'add', ...shape.item(0, 'w') }], large),
    body('JSON patch of many places', 'PATCH', 'json-patch+json', steps('add'), large),
    body('JSON patch that tests many places', 'PATCH', 'json-patch+json', steps('test'), large),
    body('apply over a small one', 'PATCH', 'apply-patch+yaml', large, small),
    body('apply over a large one', 'PATCH', 'apply-patch+yaml', other, large),
    body('apply of the same over a large one', 'PATCH', 'apply-patch+yaml', large, large),
    body('apply of a small one over a large one', 'PATCH', 'apply-patch+yaml', small, large),
  ];
  if (!isMap) return changed;
  const removals = many(operations, (index) => ({ op: 'remove', path: `${shape.container}/k${index}` }));
  return [...changed, body('JSON patch that removes many', 'PATCH', 'json-patch+json', removals, large)];
}

/** Bodies that nest as deep as JSON and YAML may. */
function deepBodies(): HostileBody[] {
  const depth = 990;
  const nested = `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"hostile"},"x":${'['.repeat(depth)}${']'.repeat(depth)}}`;
  const fields = `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"hostile","managedFields":[{"manager":"m","operation":"Update","apiVersion":"v1","fieldsType":"FieldsV1","fieldsV1":${'{"f:a":'.repeat(depth)}{}${'}'.repeat(depth)}}]}}`;
  const body = (what: string, contentType: string, text: string): HostileBody => ({
    name: `below limits: depth: ${what}`,
    method: 'POST',
    target: 'configmaps',
    contentType,
    body: Buffer.from(text),
  });
  return [
    body('lists', 'application/json', nested),
    body('lists in YAML', 'application/yaml', nested),
    body('managed fields', 'application/json', fields),
    body('managed fields in YAML', 'application/yaml', fields),
  ];
}
