/** The kinds of cases of upstream's `allocator_testing.go`, and a comparison with trying everything. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type {
  Device,
  DeviceClass,
  DeviceConstraint,
  DeviceRequest,
  DeviceSubRequest,
  DraResourceClaim,
  ExactDeviceRequest,
  NodeSelector,
  ResourceSlice,
  ResourceSliceSpec,
} from '#api/types.generated.ts';
import { AllocationError } from './allocation-error.ts';
import { type Allocation, allocate } from './allocator.ts';
import { SliceIndex } from './device-pools.ts';
import { allocatedState } from './device-state.ts';

const driver = 'gpu.example.com';
const region = (name: string): NodeSelector => ({
  nodeSelectorTerms: [{ matchExpressions: [{ key: 'region', operator: 'In', values: [name] }] }],
});
const onNode = (name: string): NodeSelector => ({
  nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: [name] }] }],
});
const dev = (name: string, more: Partial<Device> = {}): Device => ({ name, ...more });
const model = (name: string, value: string, more: Partial<Device> = {}): Device =>
  dev(name, { attributes: { model: { string: value } }, ...more });
const sized = (name: string, memory: string, more: Partial<Device> = {}): Device =>
  dev(name, { capacity: { memory: { value: memory } }, ...more });
const devices = (count: number): Device[] =>
  Array.from({ length: count }, (_, index) => dev(`d${String(index).padStart(2, '0')}`));
/** A slice of node n1 that is its whole pool, if nothing else is said. */
const slice = (name: string, spec: Partial<ResourceSliceSpec>, pool: Partial<ResourceSliceSpec['pool']> = {}): ResourceSlice => ({
  apiVersion: 'resource.k8s.io/v1',
  kind: 'ResourceSlice',
  metadata: { name, uid: name } as ResourceSlice['metadata'],
  spec: {
    driver,
    pool: { name: 'p', generation: 1, resourceSliceCount: 1, ...pool },
    ...(spec.allNodes === undefined && spec.nodeSelector === undefined && spec.perDeviceNodeSelection === undefined
      ? { nodeName: 'n1' }
      : {}),
    ...spec,
  },
});
const cel = (expression: string): { selectors: { cel: { expression: string } }[] } => ({ selectors: [{ cel: { expression } }] });
const ask = (name: string, more: Partial<ExactDeviceRequest> = {}): DeviceRequest => ({
  name,
  exactly: { deviceClassName: 'gpu', allocationMode: 'ExactCount', count: 1, ...more },
});
const all = (name: string, more: Partial<ExactDeviceRequest> = {}): DeviceRequest => ({
  name,
  exactly: { deviceClassName: 'gpu', allocationMode: 'All', ...more },
});
const sub = (name: string, more: Partial<DeviceSubRequest> = {}): DeviceSubRequest => ({
  name,
  deviceClassName: 'gpu',
  allocationMode: 'ExactCount',
  count: 1,
  ...more,
});
const first = (name: string, ...firstAvailable: DeviceSubRequest[]): DeviceRequest => ({ name, firstAvailable });
const claim = (requests: DeviceRequest[], more: object = {}, name = 'c'): DraResourceClaim => ({
  apiVersion: 'resource.k8s.io/v1',
  kind: 'ResourceClaim',
  metadata: { name, namespace: 'ns', uid: name } as DraResourceClaim['metadata'],
  spec: { devices: { requests, ...more } },
});
const classes: Record<string, DeviceClass['spec']> = {
  gpu: cel(`device.driver == "${driver}"`),
  any: {},
  tuned: { config: [{ opaque: { driver, parameters: { of: 'class' } } }] },
  broken: cel('device.attributes["none.example.com"].model == "x"'),
};
const match = (matchAttribute: string, ...requests: string[]): { constraints: DeviceConstraint[] } => ({
  constraints: [{ matchAttribute, ...(requests.length === 0 ? {} : { requests }) }],
});
const distinct = (distinctAttribute: string): { constraints: DeviceConstraint[] } => ({ constraints: [{ distinctAttribute }] });
const attribute = `${driver}/model`;
const taint = (effect: string) => ({ key: 'bad', value: 'very', effect });
const taken = (device: string, more: object = {}) => ({
  devices: { results: [{ request: 'x', driver, pool: 'p', device, ...more }] },
});
const shareID = 'share';

interface Case {
  slices: ResourceSlice[];
  claims: DraResourceClaim[];
  taken?: ReturnType<typeof taken>[];
  /** `request device` of each claim; undefined: none. */
  want?: string[][];
  selectors?: (NodeSelector | undefined)[];
  reason?: string;
  error?: RegExp;
  check?(allocation: Extract<Allocation, { kind: 'allocated' }>): void;
}

function run({ slices, claims, taken: others = [] }: Pick<Case, 'slices' | 'claims' | 'taken'>): Allocation {
  return allocate(
    claims,
    { name: 'n1', labels: { region: 'west' } },
    {
      slices: new SliceIndex(slices),
      state: allocatedState(others),
      deviceClass: (name) =>
        classes[name] === undefined
          ? undefined
          : ({ apiVersion: '', kind: '', metadata: { name }, spec: classes[name] } as unknown as DeviceClass),
    },
    () => shareID,
  );
}
const named = (allocation: Allocation): string[][] | undefined =>
  allocation.kind === 'allocated'
    ? allocation.results.map(({ devices: found }) => (found?.results ?? []).map(({ request, device }) => `${request} ${device}`))
    : undefined;

const partition = (name: string, memory: string, more: Partial<Device> = {}): Device =>
  dev(name, { consumesCounters: [{ counterSet: 'card', counters: { memory: { value: memory } } }], ...more });
const card = (memory: string): Partial<ResourceSliceSpec> => ({
  sharedCounters: [{ name: 'card', counters: { memory: { value: memory } } }],
});
const two = { resourceSliceCount: 2 };
const shared = (name: string, more: object = {}): Device =>
  dev(name, { allowMultipleAllocations: true, capacity: { memory: { value: '10Gi', ...more } } });
const memory = (value: string) => ({ capacity: { requests: { memory: value } } });

const cases: Record<string, Case> = {
  'one device': {
    slices: [slice('s', { devices: [dev('a')] })],
    claims: [claim([ask('r')])],
    want: [['r a']],
    selectors: [onNode('n1')],
  },
  'no slices': { slices: [], claims: [claim([ask('r')])] },
  'no claims': { slices: [], claims: [], want: [] },
  'a claim without requests': { slices: [], claims: [claim([])], want: [[]], selectors: [undefined] },
  'a device of another node': { slices: [slice('s', { nodeName: 'n2', devices: [dev('a')] })], claims: [claim([ask('r')])] },
  'several devices, in the order of their slices': {
    slices: [slice('s2', { devices: [dev('a')] }, two), slice('s1', { devices: [dev('z')] }, two)],
    claims: [claim([ask('r', { count: 2 })])],
    want: [['r z', 'r a']],
  },
  'pools in the order of their names': {
    slices: [slice('s1', { devices: [dev('a')] }, { name: 'q' }), slice('s2', { devices: [dev('b')] }, { name: 'o' })],
    claims: [claim([ask('r')])],
    want: [['r b']],
  },
  'too few devices': { slices: [slice('s', { devices: devices(2) })], claims: [claim([ask('r', { count: 3 })])] },
  'large and small, the small one asked first': {
    slices: [slice('s', { devices: [sized('a', '2Gi'), sized('b', '1Gi')] })],
    claims: [
      claim([
        ask('small', cel(`device.capacity["${driver}"].memory.compareTo(quantity("1Gi")) >= 0`)),
        ask('large', cel(`device.capacity["${driver}"].memory.compareTo(quantity("2Gi")) >= 0`)),
      ]),
    ],
    want: [['small b', 'large a']],
  },
  'the same over two claims': {
    slices: [slice('s', { devices: [sized('a', '2Gi'), sized('b', '1Gi')] })],
    claims: [
      claim([ask('small')], {}, 'c1'),
      claim([ask('large', cel(`device.capacity["${driver}"].memory.compareTo(quantity("2Gi")) >= 0`))], {}, 'c2'),
    ],
    want: [['small b'], ['large a']],
  },
  'an older generation does not count': {
    slices: [slice('s1', { devices: [dev('old')] }), slice('s2', { devices: [dev('new')] }, { generation: 2 })],
    claims: [claim([ask('r')])],
    want: [['r new']],
  },
  'nor when the newer one has nothing for the node': {
    slices: [
      slice('s1', { devices: [dev('old')] }, two),
      slice('s2', { nodeName: 'n2', devices: [dev('new')] }, { generation: 2, ...two }),
    ],
    claims: [claim([ask('r')])],
  },
  'a pool whose slices are still coming': { slices: [slice('s', { devices: [dev('a')] }, two)], claims: [claim([ask('r')])] },
  'a pool over two nodes': {
    slices: [slice('s1', { devices: [dev('a')] }, two), slice('s2', { nodeName: 'n2', devices: [dev('b')] }, two)],
    claims: [claim([all('r')])],
    want: [['r a']],
  },
  'all devices of a pool whose slices are still coming': {
    slices: [slice('s', { devices: [dev('a')] }, two)],
    claims: [claim([all('r')])],
    error: /^claim ns\/c, request r: asks for all devices, but resource pool gpu\.example\.com\/p is currently being updated$/,
  },
  'two devices of one name': {
    slices: [slice('s', { devices: [dev('a'), dev('a')] })],
    claims: [claim([ask('r')])],
    reason: 'invalid resource pools were encountered',
  },
  'two devices of one name, and another pool': {
    slices: [slice('s', { devices: [dev('a'), dev('a')] }), slice('t', { devices: [dev('b')] }, { name: 'q' })],
    claims: [claim([ask('r')])],
    want: [['r b']],
  },
  'all devices of an invalid pool': {
    slices: [slice('s', { devices: [dev('a'), dev('a')] })],
    claims: [claim([all('r')])],
    error: /is currently invalid$/,
  },
  'network-attached devices': {
    slices: [
      slice('s1', { nodeSelector: region('west'), devices: [dev('a')] }, { name: 'net' }),
      slice('s2', { nodeSelector: region('east'), devices: [dev('b')] }, { name: 'far' }),
    ],
    claims: [claim([ask('r')])],
    want: [['r a']],
    selectors: [region('west')],
  },
  'devices of all nodes': {
    slices: [slice('s', { allNodes: true, devices: [dev('a')] })],
    claims: [claim([ask('r')])],
    want: [['r a']],
    selectors: [undefined],
  },
  'a device of the node and one of the network': {
    slices: [
      slice('s1', { nodeSelector: region('west'), devices: [dev('a')] }, { name: 'a' }),
      slice('s2', { devices: [dev('b')] }, { name: 'b' }),
    ],
    claims: [claim([ask('r', { count: 2 })])],
    want: [['r a', 'r b']],
    selectors: [onNode('n1')],
  },
  'a device that binds to its node': {
    slices: [slice('s', { allNodes: true, devices: [dev('a', { bindsToNode: true })] })],
    claims: [claim([ask('r')])],
    want: [['r a']],
    selectors: [onNode('n1')],
  },
  'each device has its own nodes': {
    slices: [
      slice('s', {
        perDeviceNodeSelection: true,
        devices: [dev('a', { nodeName: 'n2' }), dev('b', { nodeSelector: region('west') }), dev('c', { allNodes: true })],
      }),
    ],
    claims: [claim([ask('r', { count: 2 })])],
    want: [['r b', 'r c']],
    selectors: [region('west')],
  },
  'a device that is taken': {
    slices: [slice('s', { devices: [dev('a'), dev('b')] })],
    claims: [claim([ask('r')])],
    taken: [taken('a')],
    want: [['r b']],
  },
  'an administrator sees taken ones, too, and none twice': {
    slices: [slice('s', { devices: [dev('a'), dev('b')] })],
    claims: [claim([ask('r', { adminAccess: true, count: 2 })])],
    taken: [taken('a')],
    want: [['r a', 'r b']],
    check: ({ results }) => assert.equal(results[0]?.devices?.results?.[0]?.adminAccess, true),
  },
  'what administrators use is free for others': {
    slices: [slice('s', { devices: [dev('a')] })],
    claims: [claim([ask('r')])],
    taken: [taken('a', { adminAccess: true })],
    want: [['r a']],
  },
  'all devices, if one is taken': {
    slices: [slice('s', { devices: [dev('a'), dev('b')] })],
    claims: [claim([all('r')])],
    taken: [taken('b')],
  },
  'all devices, by an administrator': {
    slices: [slice('s', { devices: [dev('a'), dev('b')] })],
    claims: [claim([all('r', { adminAccess: true })])],
    taken: [taken('b')],
    want: [['r a', 'r b']],
  },
  'all devices of a kind, and one more': {
    slices: [slice('s', { devices: [model('a', 'x'), model('b', 'y'), model('c', 'x')] })],
    claims: [claim([ask('one'), all('r', cel(`device.attributes["${driver}"].model == "x"`))])],
    want: [['one b', 'r a', 'r c']],
  },
  'all devices, where there are none': { slices: [slice('s', { devices: [] })], claims: [claim([all('r')])] },
  'as many as a claim may have': {
    slices: [slice('s', { devices: devices(32) })],
    claims: [claim([ask('r', { count: 32 })])],
    want: [devices(32).map(({ name }) => `r ${name}`)],
  },
  'more than a claim may have': {
    slices: [slice('s', { devices: devices(40) })],
    claims: [claim([ask('r', { count: 33 })])],
    error: /^claim ns\/c: number of requested devices 33 exceeds the claim limit of 32$/,
  },
  'a class that there is not': {
    slices: [],
    claims: [claim([ask('r', { deviceClassName: 'none' })])],
    error: /could not retrieve device class none: deviceclass\.resource\.k8s\.io "none" not found$/,
  },
  'a selector that cannot be evaluated': {
    slices: [slice('s', { devices: [dev('a')] })],
    claims: [claim([ask('r', cel(`device.attributes["${driver}"].none == "x"`))])],
    error: /^claim ns\/c: selector #0: CEL runtime error: .*no such key: none/,
  },
  'a selector of a class that cannot be evaluated': {
    slices: [slice('s', { devices: [dev('a')] })],
    claims: [claim([ask('r', { deviceClassName: 'broken' })])],
    error: /^class broken: selector #0: CEL runtime error: /,
  },
  'a selector that cannot be compiled': {
    slices: [slice('s', { devices: [dev('a')] })],
    claims: [claim([ask('r', cel('nothing'))])],
    error: /^claim ns\/c: selector #0: CEL compile error: /,
  },
  'a mode that nobody knows': {
    slices: [],
    claims: [claim([ask('r', { allocationMode: 'Some' })])],
    error: /^claim ns\/c, request r: unsupported count mode Some$/,
  },
  'a constraint that nobody knows': {
    slices: [],
    claims: [claim([ask('r')], { constraints: [{}] })],
    error: /^claim ns\/c, constraint #0: empty constraint/,
  },
  'devices of one model': {
    slices: [slice('s', { devices: [model('a', 'x'), model('b', 'y'), model('c', 'y')] })],
    claims: [claim([ask('r', { count: 2 })], match(attribute))],
    want: [['r b', 'r c']],
  },
  'devices of one model, for some requests': {
    slices: [slice('s', { devices: [model('a', 'x'), model('b', 'y'), model('c', 'y')] })],
    claims: [claim([ask('one'), ask('two'), ask('three')], match(attribute, 'two', 'three'))],
    want: [['one a', 'two b', 'three c']],
  },
  'one model, by what is no text': {
    slices: [
      slice('s', {
        devices: [
          dev('a', { attributes: { model: { int: 1 } } }),
          dev('b', { attributes: { model: { string: '1' } } }),
          dev('c', { attributes: { model: { version: '1.0.0' } } }),
          dev('d', { attributes: { [attribute]: { int: 1 } } }),
        ],
      }),
    ],
    claims: [claim([ask('r', { count: 2 })], match(attribute))],
    want: [['r a', 'r d']],
  },
  'an attribute that no device has': {
    slices: [slice('s', { devices: [dev('a')] })],
    claims: [claim([ask('r')], match(attribute))],
  },
  'all devices, of which not all are of one model': {
    slices: [slice('s', { devices: [model('a', 'x'), model('b', 'y')] })],
    claims: [claim([all('r')], match(attribute))],
    error: /request r: cannot add device gpu\.example\.com\/p\/b because a claim constraint would not be satisfied$/,
  },
  'devices of different models': {
    slices: [slice('s', { devices: [model('a', 'x'), model('b', 'x'), model('c', 'y')] })],
    claims: [claim([ask('one'), ask('two')], distinct(attribute))],
    want: [['one a', 'two c']],
  },
  'devices of different models, in one request': {
    slices: [slice('s', { devices: [model('a', 'x'), model('b', 'y'), model('c', 'x')] })],
    claims: [claim([ask('r', { count: 3 })], distinct(attribute))],
  },
  'the first alternative': {
    slices: [slice('s', { devices: [dev('a'), dev('b')] })],
    claims: [claim([first('r', sub('two', { count: 2 }), sub('one'))])],
    want: [['r/two a', 'r/two b']],
  },
  'the second, where the first is too much': {
    slices: [slice('s', { devices: [dev('a')] })],
    claims: [claim([first('r', sub('two', { count: 2 }), sub('one'))])],
    want: [['r/one a']],
  },
  'no alternative': {
    slices: [slice('s', { devices: [dev('a')] })],
    claims: [claim([first('r', sub('three', { count: 3 }), sub('two', { count: 2 }))])],
  },
  'an alternative gives way to another request': {
    slices: [slice('s', { devices: [dev('a'), dev('b')] })],
    claims: [claim([first('r', sub('two', { count: 2 }), sub('one')), ask('more')])],
    want: [['r/one a', 'more b']],
  },
  'an alternative that would be too many with the others': {
    slices: [slice('s', { devices: devices(40) })],
    claims: [claim([ask('most', { count: 30 }), first('r', sub('five', { count: 5 }), sub('two', { count: 2 }))])],
    want: [[...devices(30).map(({ name }) => `most ${name}`), 'r/two d30', 'r/two d31']],
  },
  'all devices as an alternative': {
    slices: [slice('s', { devices: [model('a', 'x'), model('b', 'y')] })],
    claims: [
      claim([first('r', sub('z', { allocationMode: 'All', ...cel(`device.attributes["${driver}"].model == "z"`) }), sub('any'))]),
    ],
    want: [['r/any a']],
  },
  'a constraint of an alternative': {
    slices: [slice('s', { devices: [model('a', 'x'), model('b', 'y'), model('c', 'y')] })],
    claims: [claim([first('r', sub('two', { count: 2 }))], match(attribute, 'r/two'))],
    want: [['r/two b', 'r/two c']],
  },
  'a taint': {
    slices: [slice('s', { devices: [dev('a', { taints: [taint('NoSchedule')] }), dev('b', { taints: [taint('NoExecute')] })] })],
    claims: [claim([ask('r')])],
  },
  'a taint that is tolerated': {
    slices: [slice('s', { devices: [dev('a', { taints: [taint('NoSchedule')] }), dev('b', { taints: [taint('NoExecute')] })] })],
    claims: [claim([ask('r', { tolerations: [{ key: 'bad', operator: 'Equal', value: 'very', effect: 'NoExecute' }] })])],
    want: [['r b']],
    check: ({ results }) => assert.equal(results[0]?.devices?.results?.[0]?.tolerations?.length, 1),
  },
  'a taint of another value': {
    slices: [slice('s', { devices: [dev('a', { taints: [taint('NoSchedule')] })] })],
    claims: [claim([ask('r', { tolerations: [{ key: 'bad', operator: 'Equal', value: 'little' }] })])],
  },
  'any taint is tolerated': {
    slices: [slice('s', { devices: [dev('a', { taints: [taint('NoSchedule'), taint('NoExecute')] })] })],
    claims: [claim([ask('r', { tolerations: [{ operator: 'Exists' }] })])],
    want: [['r a']],
  },
  'a taint without effect': {
    slices: [slice('s', { devices: [dev('a', { taints: [taint('None')] })] })],
    claims: [claim([ask('r')])],
    want: [['r a']],
  },
  'taints hold administrators, too': {
    slices: [slice('s', { devices: [dev('a', { taints: [taint('NoSchedule')] })] })],
    claims: [claim([ask('r', { adminAccess: true })])],
  },
  'parts of a card': {
    slices: [
      slice('s1', card('8Gi'), two),
      slice('s2', { devices: [partition('a', '4Gi'), partition('b', '4Gi'), partition('c', '4Gi')] }, two),
    ],
    claims: [claim([ask('r', { count: 2 })])],
    want: [['r a', 'r b']],
  },
  'more parts than the card has': {
    slices: [
      slice('s1', card('8Gi'), two),
      slice('s2', { devices: [partition('a', '4Gi'), partition('b', '4Gi'), partition('c', '4Gi')] }, two),
    ],
    claims: [claim([ask('r', { count: 3 })])],
  },
  'a part, beside one that is taken': {
    slices: [
      slice('s1', card('8Gi'), two),
      slice('s2', { devices: [partition('a', '4Gi'), partition('b', '8Gi'), partition('c', '4Gi')] }, two),
    ],
    claims: [claim([ask('r')])],
    taken: [taken('a')],
    want: [['r c']],
  },
  'a part, beside one that is taken on another node': {
    slices: [
      slice('s1', card('8Gi'), { resourceSliceCount: 3 }),
      slice('s2', { devices: [partition('a', '4Gi')] }, { resourceSliceCount: 3 }),
      slice('s3', { nodeName: 'n2', devices: [partition('b', '6Gi')] }, { resourceSliceCount: 3 }),
    ],
    claims: [claim([ask('r')])],
    taken: [taken('b')],
  },
  'another choice leaves enough of a card': {
    slices: [
      slice('s1', card('8Gi'), two),
      slice('s2', { devices: [partition('a', '6Gi'), partition('b', '4Gi'), partition('c', '4Gi')] }, two),
    ],
    claims: [claim([ask('one'), ask('two')])],
    want: [['one b', 'two c']],
  },
  'counters that there are not': {
    slices: [
      slice('s1', card('8Gi'), two),
      slice('s2', { devices: [dev('a', { consumesCounters: [{ counterSet: 'x', counters: {} }] })] }, two),
    ],
    claims: [claim([ask('r')])],
    reason: 'invalid resource pools were encountered',
  },
  'the same part of a capacity for two claims': {
    slices: [slice('s', { devices: [shared('a')] })],
    claims: [claim([ask('one', memory('4Gi')), ask('two', memory('6Gi'))])],
    want: [['one a', 'two a']],
    check: ({ results }) =>
      assert.deepEqual(
        results[0]?.devices?.results?.map(({ shareID: id, consumedCapacity }) => [id, consumedCapacity]),
        [
          [shareID, { memory: '4Gi' }],
          [shareID, { memory: '6Gi' }],
        ],
      ),
  },
  'more of a capacity than there is': {
    slices: [slice('s', { devices: [shared('a')] })],
    claims: [claim([ask('one', memory('4Gi')), ask('two', memory('7Gi'))])],
  },
  'what is left of a capacity': {
    slices: [slice('s', { devices: [shared('a'), shared('b')] })],
    claims: [claim([ask('r', memory('6Gi'))])],
    taken: [taken('a', { shareID: 'other', consumedCapacity: { memory: '5Gi' } })],
    want: [['r b']],
  },
  'no word of the capacity means all of it': {
    slices: [slice('s', { devices: [shared('a')] })],
    claims: [claim([ask('one'), ask('two')])],
  },
  'no word of the capacity means its default': {
    slices: [slice('s', { devices: [shared('a', { requestPolicy: { default: '1Gi', validValues: ['1Gi', '4Gi'] } })] })],
    claims: [claim([ask('one'), ask('two', memory('2Gi'))])],
    want: [['one a', 'two a']],
    check: ({ results }) =>
      assert.deepEqual(
        results[0]?.devices?.results?.map(({ consumedCapacity }) => consumedCapacity?.['memory']),
        ['1Gi', '4Gi'],
      ),
  },
  'a capacity in steps': {
    slices: [
      slice('s', {
        devices: [shared('a', { requestPolicy: { default: '2Gi', validRange: { min: '2Gi', step: '2Gi', max: '6Gi' } } })],
      }),
    ],
    claims: [claim([ask('one', memory('1Gi')), ask('two', memory('3Gi'))])],
    want: [['one a', 'two a']],
    check: ({ results }) =>
      assert.deepEqual(
        results[0]?.devices?.results?.map(({ consumedCapacity }) => consumedCapacity?.['memory']),
        ['2Gi', '4Gi'],
      ),
  },
  'more than the policy allows': {
    slices: [
      slice('s', { devices: [shared('a', { requestPolicy: { default: '2Gi', validRange: { min: '2Gi', max: '4Gi' } } })] }),
    ],
    claims: [claim([ask('r', memory('5Gi'))])],
  },
  'a capacity that the device does not have': {
    slices: [slice('s', { devices: [shared('a')] })],
    claims: [claim([ask('r', { capacity: { requests: { bandwidth: '1' } } })])],
  },
  'a capacity of a device for one': {
    slices: [slice('s', { devices: [sized('a', '2Gi'), sized('b', '4Gi')] })],
    claims: [claim([ask('r', memory('3Gi'))])],
    want: [['r b']],
    check: ({ results }) => assert.equal(results[0]?.devices?.results?.[0]?.shareID, undefined),
  },
  'devices that are to be prepared come last': {
    slices: [
      slice('s1', { devices: [dev('a', { bindingConditions: ['ready'], bindingFailureConditions: ['broken'] })] }, { name: 'a' }),
      slice('s2', { devices: [dev('b')] }, { name: 'b' }),
    ],
    claims: [claim([ask('r', { count: 2 })])],
    want: [['r b', 'r a']],
    check: ({ results }) => {
      const { bindingConditions, bindingFailureConditions } = results[0]?.devices?.results?.[1] ?? {};
      assert.deepEqual([bindingConditions, bindingFailureConditions], [['ready'], ['broken']]);
    },
  },
  'configuration of class and claim': {
    slices: [slice('s', { devices: [dev('a'), dev('b'), dev('c')] })],
    claims: [
      claim(
        [ask('one', { deviceClassName: 'tuned' }), ask('two', { deviceClassName: 'tuned' }), first('r', sub('x'), sub('y'))],
        {
          config: [
            { opaque: { driver, parameters: { of: 'all' } } },
            { requests: ['two'], opaque: { driver, parameters: { of: 'two' } } },
            { requests: ['r/x'], opaque: { driver, parameters: { of: 'x' } } },
            { requests: ['r/y'], opaque: { driver, parameters: { of: 'y' } } },
          ],
        },
      ),
    ],
    want: [['one a', 'two b', 'r/x c']],
    check: ({ results }) =>
      assert.deepEqual(results[0]?.devices?.config, [
        { source: 'FromClass', requests: ['one', 'two'], opaque: { driver, parameters: { of: 'class' } } },
        { source: 'FromClaim', opaque: { driver, parameters: { of: 'all' } } },
        { source: 'FromClaim', requests: ['two'], opaque: { driver, parameters: { of: 'two' } } },
        { source: 'FromClaim', requests: ['r/x'], opaque: { driver, parameters: { of: 'x' } } },
      ]),
  },
};

describe('allocator of devices', () => {
  for (const [name, one] of Object.entries(cases)) {
    it(name, () => {
      if (one.error !== undefined) {
        assert.throws(
          () => run(one),
          (error) => {
            assert.ok(error instanceof AllocationError);
            assert.match(error.message, one.error ?? /./);
            return true;
          },
        );
        return;
      }
      const allocation = run(one);
      assert.deepEqual(named(allocation), one.want);
      if (allocation.kind === 'impossible') assert.equal(allocation.reason, one.reason);
      if (allocation.kind !== 'allocated') return;
      if (one.selectors !== undefined)
        assert.deepEqual(
          allocation.results.map((result) => result.nodeSelector),
          one.selectors,
        );
      one.check?.(allocation);
    });
  }

  it('gives up where there are too many ways, and soon', () => {
    const slices = [slice('s', { devices: devices(60).map((device, index) => model(device.name, `m${index}`)) })];
    const claims = [claim([ask('a', { count: 8 }), ask('b', { count: 8 }), ask('c', cel('false'))])];
    assert.equal(run({ slices, claims }).kind, 'tooHard');
  });

  it('finds a solution exactly where one is found by trying everything', () => {
    const models = ['x', 'y'] as const;
    const anyDevice = fc.record({
      model: fc.constantFrom(...models),
      memory: fc.integer({ min: 1, max: 3 }),
      isTaken: fc.boolean(),
      isTainted: fc.integer({ min: 0, max: 9 }).map((number) => number === 0),
    });
    const anyRequest = fc.record({
      count: fc.integer({ min: 1, max: 2 }),
      model: fc.option(fc.constantFrom(...models)),
      memory: fc.integer({ min: 1, max: 3 }),
    });
    const anyClaims = fc.array(fc.tuple(fc.array(anyRequest, { minLength: 1, maxLength: 2 }), fc.boolean()), {
      minLength: 1,
      maxLength: 2,
    });
    const total = fc.integer({ min: 2, max: 8 });
    fc.assert(
      fc.property(fc.array(anyDevice, { minLength: 1, maxLength: 6 }), anyClaims, total, (supply, wanted, card8) => {
        const made = supply.map(({ model: name, memory: gi, isTainted }, index) =>
          partition(`d${index}`, String(gi), {
            attributes: { model: { string: name }, memory: { int: gi } },
            ...(isTainted ? { taints: [taint('NoSchedule')] } : {}),
          }),
        );
        const slices = [slice('s1', card(String(card8)), two), slice('s2', { devices: made }, two)];
        const claims = wanted.map(([requests, isUniform], at) =>
          claim(
            requests.map(({ count, model: name, memory: gi }, index) => {
              const memoryPart = `device.attributes["${driver}"].memory >= ${gi}`;
              const expression =
                name === null ? memoryPart : `${memoryPart} && device.attributes["${driver}"].model == "${name}"`;
              return ask(`r${index}`, { count, ...cel(expression) });
            }),
            isUniform ? match(attribute) : {},
            `c${at}`,
          ),
        );
        const others = supply.flatMap(({ isTaken }, index) => (isTaken ? [taken(`d${index}`)] : []));
        const found = run({ slices, claims, taken: others });

        // Every way to give each wanted device to somebody.
        const left = card8 - supply.reduce((sum, { isTaken, memory: gi }) => sum + (isTaken ? gi : 0), 0);
        const slots = wanted.flatMap(([requests, isUniform], at) =>
          requests.flatMap(({ count, model: name, memory: gi }) =>
            Array.from({ length: count }, () => ({ at, name, gi, isUniform })),
          ),
        );
        const place = (index: number, used: readonly number[]): boolean => {
          const slot = slots[index];
          if (slot === undefined) {
            const memoryUsed = used.reduce((sum, one) => sum + (supply[one]?.memory ?? 0), 0);
            return memoryUsed <= left;
          }
          return supply.some((device, number) => {
            if (device.isTaken || device.isTainted || used.includes(number) || device.memory < slot.gi) return false;
            if (slot.name !== null && device.model !== slot.name) return false;
            const peers = used.filter((_, other) => slots[other]?.at === slot.at);
            if (slot.isUniform && peers.some((peer) => supply[peer]?.model !== device.model)) return false;
            return place(index + 1, [...used, number]);
          });
        };
        assert.equal(found.kind === 'allocated', place(0, []));
      }),
      { numRuns: 400 },
    );
  });
});
