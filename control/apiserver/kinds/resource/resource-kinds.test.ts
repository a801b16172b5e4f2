import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type {
  AllocationResult,
  Device,
  DeviceClass,
  DeviceClassSpec,
  DeviceRequest,
  DraResourceClaim,
  ResourceClaimSpec,
  ResourceClaimStatus,
  ResourceClaimTemplate,
  ResourceSlice,
  ResourceSliceSpec,
} from '#api/types.generated.ts';
import { metadata, row } from '../columns.testing.ts';
import { create, rejects, systemMeta, testContext, update } from '../strategy.testing.ts';
import { deviceClassKind } from './deviceclass/strategy.ts';
import { resourceClaimColumns } from './resourceclaim/columns.ts';
import { resourceClaimKind } from './resourceclaim/strategy.ts';
import { resourceClaimTemplateKind } from './resourceclaimtemplate/strategy.ts';
import { resourceSliceColumns } from './resourceslice/columns.ts';
import { resourceSliceKind } from './resourceslice/strategy.ts';

const apiVersion = 'resource.k8s.io/v1';
const label =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const exactly = { deviceClassName: 'gpu' };
const one: DeviceRequest = { name: 'one', exactly };
const opaque = { driver: 'd', parameters: { a: 'b' } };
const request = 'spec.devices.requests[0]';

const claim = (spec: ResourceClaimSpec = { devices: { requests: [one] } }): DraResourceClaim => ({
  apiVersion,
  kind: 'ResourceClaim',
  metadata: systemMeta('c', 'ns'),
  spec,
});

describe('resource claims', () => {
  const { strategy } = resourceClaimKind;

  it('ask for one device, and begin without a status and a generation', async () => {
    const { object, errors } = await create(strategy, { ...claim(), status: { reservedFor: [] } });
    const [first] = object.spec.devices?.requests ?? [];
    assert.deepEqual(first?.exactly, { ...exactly, allocationMode: 'ExactCount', count: 1 });
    assert.deepEqual([object.status, object.metadata.generation, errors], [{}, undefined, []]);
  });

  it('with selectors that cannot be compiled, are no condition or cost too much are refused', async () => {
    const nested = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].reduceRight(
      (rest, name) => `[1,2,3,4,5,6,7,8,9,10].all(${name}, ${rest})`,
      'true',
    );
    const expressions = ['device.driver == "x"', '?!', '1', nested];
    const selectors = expressions.map((expression) => ({ cel: { expression } }));
    const { errors } = await create(
      strategy,
      claim({ devices: { requests: [{ name: 'one', exactly: { ...exactly, selectors } }] } }),
    );
    const at = `${request}.exactly.selectors`;
    assert.equal(errors.length, 3);
    assert.match(
      errors[0] ?? '',
      /selectors\[1\]\.cel\.expression: Invalid value: "\?!": compilation failed: ERROR: <input>:1:1: Syntax error/,
    );
    assert.equal(errors[1], `${at}[2].cel.expression: Invalid value: "1": must evaluate to bool or the unknown type, not int`);
    assert.equal(errors[2], `${at}[3].cel.expression: Forbidden: too complex, exceeds cost limit`);
  });

  const both = 'exactly one of `exactly` or `firstAvailable` is required';
  const unknown = "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'";
  const refused: [what: string, devices: ResourceClaimSpec['devices'], errors: string[]][] = [
    ['a request for nothing', { requests: [{ name: 'one' }] }, [`${request}: Required value: ${both}`]],
    [
      'a request for two things',
      { requests: [{ ...one, firstAvailable: [{ name: 'sub', deviceClassName: 'gpu' }] }] },
      [`${request}: Invalid value: null: ${both}, but multiple fields are set`],
    ],
    [
      'a request twice, and no class',
      { requests: [one, { name: 'one', exactly: { deviceClassName: '' } }] },
      ['spec.devices.requests[1].exactly.deviceClassName: Required value', 'spec.devices.requests[1]: Duplicate value: "one"'],
    ],
    ['a name that is none', { requests: [{ name: 'A', exactly }] }, [`${request}.name: Invalid value: "A": ${label}`]],
    [
      'all devices, and three',
      { requests: [{ name: 'one', exactly: { ...exactly, allocationMode: 'All', count: 3 } }] },
      [`${request}.exactly.count: Invalid value: 3: must not be specified when allocationMode is 'All'`],
    ],
    [
      'less than one device, and an unknown mode',
      {
        requests: [
          { name: 'one', exactly: { ...exactly, count: -1 } },
          { name: 'two', exactly: { ...exactly, allocationMode: 'Some' } },
        ],
      },
      [
        `${request}.exactly.count: Invalid value: -1: must be greater than zero`,
        'spec.devices.requests[1].exactly.allocationMode: Unsupported value: "Some": supported values: "All", "ExactCount"',
      ],
    ],
    [
      'tolerations that are none',
      {
        requests: [
          {
            name: 'one',
            exactly: {
              ...exactly,
              tolerations: [{ key: 'a', operator: 'Exists', value: 'b' }, { effect: 'Now' }, { key: 'a', operator: 'Like' }],
            },
          },
        ],
      },
      [
        `${request}.exactly.tolerations[0].value: Invalid value: "b": must be empty for operator \`Exists\``,
        `${request}.exactly.tolerations[1].operator: Required value`,
        `${request}.exactly.tolerations[1].effect: Unsupported value: "Now": supported values: "NoExecute", "NoSchedule", "None"`,
        `${request}.exactly.tolerations[2].operator: Unsupported value: "Like": supported values: "Equal", "Exists"`,
      ],
    ],
    [
      'selectors without and with too long an expression',
      { requests: [{ name: 'one', exactly: { ...exactly, selectors: [{}, { cel: { expression: 'x'.repeat(10_241) } }] } }] },
      [
        `${request}.exactly.selectors[0].cel: Required value`,
        `${request}.exactly.selectors[1].cel.expression: Too long: may not be more than 10240 bytes`,
      ],
    ],
    [
      'constraints over requests that are not there',
      {
        requests: [one],
        constraints: [{ requests: ['two', 'one/sub', 'a/b/c'], matchAttribute: 'model' }, { requests: ['one'] }],
      },
      [
        `spec.devices.constraints[0].requests[0]: Invalid value: "two": ${unknown}`,
        `spec.devices.constraints[0].requests[1]: Invalid value: "one/sub": ${unknown}`,
        `spec.devices.constraints[0].requests[2]: Invalid value: "a/b/c": ${unknown}`,
        'spec.devices.constraints[0].matchAttribute: Invalid value: "model": a fully qualified name must be a domain and a name separated by a slash',
        'spec.devices.constraints[1]: Required value: exactly one of "matchAttribute" or "distinctAttribute" is required, but multiple fields are set',
      ],
    ],
    [
      'configuration of nothing, and a long one',
      { requests: [one], config: [{}, { requests: ['one'], opaque: { driver: '', parameters: { a: 'x'.repeat(10_240) } } }] },
      [
        'spec.devices.config[0].opaque: Required value',
        'spec.devices.config[1].opaque.driver: Required value',
        'spec.devices.config[1].opaque.parameters: Too long: may not be more than 10240 bytes',
      ],
    ],
    [
      'more than 32 requests',
      { requests: Array.from({ length: 33 }, (_, index) => ({ name: `r${index}`, exactly })) },
      ['spec.devices.requests: Too many: 33: must have at most 32 items'],
    ],
  ];
  for (const [what, devices, errors] of refused)
    it(`cannot have ${what}`, async () => {
      await rejects(strategy, claim({ devices }), ...errors);
    });

  it('may name an alternative', async () => {
    const firstAvailable = [{ name: 'sub', deviceClassName: 'gpu' }];
    await rejects(
      strategy,
      claim({ devices: { requests: [{ name: 'any', firstAvailable }], config: [{ requests: ['any/sub'], opaque }] } }),
    );
  });

  it('keep their spec', async () => {
    const old = (await create(strategy, claim())).object;
    const { errors } = await update(strategy, old, ({ spec }) => Object.assign(spec, { devices: { requests: [] } }));
    assert.deepEqual(errors, [
      'spec: Invalid value: {"Devices":{"Requests":[],"Constraints":null,"Config":null}}: field is immutable',
    ]);
    assert.deepEqual(
      (await update(strategy, old, ({ metadata: meta }) => Object.assign(meta, { labels: { a: 'b' } }))).errors,
      [],
    );
  });

  it('get access to devices of others only where the namespace is labelled for it', async () => {
    const admin = claim({ devices: { requests: [{ name: 'one', exactly: { ...exactly, adminAccess: true } }] } });
    const namespace = (labels: Record<string, string>) => ({
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { ...systemMeta('ns'), labels },
    });
    const ask = (labels: Record<string, string>) =>
      strategy.checkWriter?.(admin, undefined, testContext({ stored: { 'namespaces//ns': namespace(labels) } })) ??
      Promise.resolve();
    await ask({ 'resource.kubernetes.io/admin-access': 'true' });
    await assert.rejects(ask({}), {
      code: 422,
      message:
        'ResourceClaim.resource.k8s.io "c" is invalid: spec.devices.requests[0].adminAccess: Forbidden: admin access to devices requires the `resource.kubernetes.io/admin-access: true` label on the containing namespace',
    });
  });

  it('show their state', () => {
    const state = (status: ResourceClaimStatus, more: object = {}): unknown =>
      row(resourceClaimColumns, { ...claim(), metadata: { ...metadata, ...more }, status })['State'];
    const deleted = { deletionTimestamp: metadata.creationTimestamp };
    const reservedFor = [{ resource: 'pods', name: 'p', uid: 'u' }];
    assert.deepEqual(
      [
        state({}),
        state({ allocation: {} }),
        state({ allocation: {}, reservedFor }),
        state({}, deleted),
        state({ allocation: {} }, deleted),
      ],
      ['pending', 'allocated', 'allocated,reserved', 'deleted', 'deleted,allocated'],
    );
  });
});

describe("a resource claim's status", () => {
  const { strategy } = resourceClaimKind;
  const device = { driver: 'd', pool: 'p', device: 'x' };
  const result = { ...device, request: 'one' };
  const allocation: AllocationResult = { devices: { results: [result] } };
  const pod = { resource: 'pods', name: 'p', uid: 'u' };
  const report = async (before: ResourceClaimStatus, now: ResourceClaimStatus, more: object = {}) => {
    const { object } = await create(strategy, claim());
    const old = { ...object, metadata: { ...object.metadata, ...more }, status: before };
    return await update(strategy, old, (one) => Object.assign(one, { status: now }), 'status');
  };

  it('may be an allocation of nothing, and of a device with its report', async () => {
    assert.deepEqual((await report({}, { allocation: {} })).errors, []);
    const devices = [
      {
        ...device,
        data: { a: 'b' },
        networkData: { ips: ['10.0.0.1/24', '2001:db8::1/64'] },
        conditions: [{ type: 'Ready', status: 'True', reason: 'Up', message: '', lastTransitionTime: '2026-01-01T00:00:00Z' }],
      },
    ];
    assert.deepEqual((await report({}, { allocation, reservedFor: [pod], devices })).errors, []);
  });

  it('loses reports about devices that are taken back', async () => {
    const { object, errors } = await report({ allocation, devices: [device] }, { devices: [device] });
    assert.deepEqual([object.status, errors], [{}, []]);
  });

  const key = '{"Driver":{},"Pool":{},"Device":{},"ShareID":{}}';
  const cases: [what: string, before: ResourceClaimStatus, now: ResourceClaimStatus, errors: string[], more?: object][] = [
    [
      'a reservation of nothing',
      {},
      { reservedFor: [pod] },
      ['status.reservedFor: Forbidden: may not be specified when `allocated` is not set'],
    ],
    [
      'a user twice, and one without a name',
      {},
      { allocation, reservedFor: [pod, { ...pod, name: '' }] },
      ['status.reservedFor[1].name: Required value', 'status.reservedFor[1]: Duplicate value: "u"'],
    ],
    [
      'a new user while it goes',
      { allocation },
      { allocation, reservedFor: [pod] },
      [
        'status.reservedFor: Forbidden: new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set',
      ],
      { deletionTimestamp: '2026-01-01T00:00:00Z' },
    ],
    [
      'another allocation',
      { allocation },
      { allocation: {} },
      [
        'status.allocation: Invalid value: {"Devices":{"Results":null,"Config":null},"NodeSelector":null,"AllocationTimestamp":null}: field is immutable',
      ],
    ],
    [
      'a device that is none',
      {},
      { allocation: { devices: { results: [{ request: 'one', driver: '', pool: '', device: 'X', shareID: 'u' }] } } },
      [
        'status.allocation.devices.results[0].driver: Required value',
        'status.allocation.devices.results[0].pool: Required value',
        `status.allocation.devices.results[0].device: Invalid value: "X": ${label}`,
        'status.allocation.devices.results[0].shareID: Invalid value: "u": error validating uid: invalid UUID length: 1',
      ],
    ],
    [
      'conditions for binding without those against it',
      {},
      { allocation: { devices: { results: [{ ...result, bindingConditions: ['a', 'a'] }] } } },
      [
        'status.allocation.devices.results[0].bindingConditions[1]: Duplicate value: "a"',
        'status.allocation.devices.results[0].bindingFailureConditions: Invalid value: null: bindingFailureConditions are required to use bindingConditions',
      ],
    ],
    [
      'a report about another device, with an odd address',
      {},
      { allocation, devices: [{ ...device, device: 'y', networkData: { ips: ['10.0.0.1', '010.0.0.1/24'] } }] },
      [
        `status.devices[0]: Invalid value: ${key}: must be an allocated device in the claim`,
        'status.devices[0].networkData.ips[0]: Invalid value: "10.0.0.1": must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)',
        'status.devices[0].networkData.ips[1]: Invalid value: "010.0.0.1/24": must be in canonical form ("10.0.0.1/24")',
      ],
    ],
    [
      'conditions that are none',
      {},
      {
        allocation,
        devices: [{ ...device, conditions: [{ type: '', status: 'x', reason: '', message: '', lastTransitionTime: '' }] }],
      },
      [
        'status.devices[0].conditions[0].type: Invalid value: "": name part must be non-empty',
        `status.devices[0].conditions[0].type: Invalid value: "": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')`,
        'status.devices[0].conditions[0].status: Unsupported value: "x": supported values: "False", "True", "Unknown"',
        'status.devices[0].conditions[0].lastTransitionTime: Required value',
        'status.devices[0].conditions[0].reason: Required value',
      ],
    ],
  ];
  for (const [what, before, now, errors, more] of cases)
    it(`cannot have ${what}`, async () => {
      assert.deepEqual((await report(before, now, more)).errors, errors);
    });
});

describe('templates of resource claims', () => {
  const { strategy } = resourceClaimTemplateKind;
  const template = (spec: ResourceClaimTemplate['spec']): ResourceClaimTemplate => ({
    apiVersion,
    kind: 'ResourceClaimTemplate',
    metadata: systemMeta('t', 'ns'),
    spec,
  });

  it('get defaults, and are checked as claims are', async () => {
    const { object, errors } = await create(strategy, template({ spec: { devices: { requests: [one] } } }));
    assert.deepEqual([object.spec.spec.devices?.requests?.[0]?.exactly?.count, errors], [1, []]);
    await rejects(
      strategy,
      template({ metadata: { name: 'x', labels: { a: 'b' } }, spec: { devices: { requests: [{ name: 'one' }] } } }),
      'spec.metadata.name: Forbidden: cannot be set',
      'spec.spec.devices.requests[0]: Required value: exactly one of `exactly` or `firstAvailable` is required',
    );
  });

  it('keep their spec', async () => {
    const old = (await create(strategy, template({ spec: { devices: { requests: [one] } } }))).object;
    const { errors } = await update(strategy, old, ({ spec }) => Object.assign(spec.spec, { devices: {} }));
    assert.match(errors.join(), /^spec: Invalid value: .*: field is immutable$/);
  });
});

describe('device classes', () => {
  const { strategy } = deviceClassKind;
  const make = (spec: DeviceClassSpec = {}): DeviceClass => ({
    apiVersion,
    kind: 'DeviceClass',
    metadata: systemMeta('gpu'),
    spec,
  });

  it('count changes of the spec', async () => {
    const old = (await create(strategy, make({ selectors: [{ cel: { expression: 'false' } }] }))).object;
    const { object, errors } = await update(strategy, old, ({ spec }) => Object.assign(spec, { selectors: [] }));
    assert.deepEqual([old.metadata.generation, object.metadata.generation, errors], [1, 2, []]);
  });

  it('refuse a resource of the system, and configuration of nothing', async () => {
    await rejects(
      strategy,
      make({ extendedResourceName: 'kubernetes.io/gpu', config: [{}] }),
      'spec.config[0].opaque: Required value',
      'spec.extendedResourceName: Invalid value: "kubernetes.io/gpu": must be a valid extended resource name',
    );
    await rejects(strategy, make({ extendedResourceName: 'example.com/gpu', config: [{ opaque }] }));
  });
});

describe('resource slices', () => {
  const { strategy } = resourceSliceKind;
  const pool = { name: 'p', generation: 1, resourceSliceCount: 1 };
  const make = (spec: Partial<ResourceSliceSpec> = {}): ResourceSlice => ({
    apiVersion,
    kind: 'ResourceSlice',
    metadata: systemMeta('s'),
    spec: { driver: 'd', pool, nodeName: 'n', ...spec },
  });
  const withDevice = (device: Partial<Device>, more: Partial<ResourceSliceSpec> = {}) =>
    make({ devices: [{ name: 'x', ...device }], ...more });

  it('may be empty, count changes, and lose fields of features that are off', async () => {
    const old = (await create(strategy, make())).object;
    const { object, errors } = await update(strategy, old, ({ spec }) =>
      Object.assign(spec, { devices: [{ name: 'x', attributes: { a: { string: 's', strings: ['t'] } } }] }),
    );
    assert.deepEqual([object.metadata.generation, object.spec.devices?.[0]?.attributes, errors], [2, { a: { string: 's' } }, []]);
  });

  const ways = 'exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required';
  const at = 'spec.devices[0]';
  const capacity = (requestPolicy: object) => ({
    capacity: { m: { value: '4Gi', requestPolicy } },
    allowMultipleAllocations: true,
  });
  const policy = `${at}.capacity[m].requestPolicy`;
  const refused: [what: string, ResourceSlice, errors: string[]][] = [
    ['no nodes', make({ nodeName: undefined }), [`spec: Required value: ${ways}`]],
    [
      'two ways to its nodes',
      make({ allNodes: true }),
      [`spec: Invalid value: "{\`nodeName\`, \`allNodes\`}": ${ways}, but multiple fields are set`],
    ],
    [
      'no pool and no driver',
      make({ driver: '', pool: { name: '', generation: -1, resourceSliceCount: 0 } }),
      [
        'spec.driver: Required value',
        'spec.pool.name: Required value',
        'spec.pool.resourceSliceCount: Invalid value: 0: must be greater than zero',
        'spec.pool.generation: Invalid value: -1: must be greater than or equal to zero',
      ],
    ],
    [
      'devices and counters',
      make({ devices: [], sharedCounters: [{ name: 'c', counters: {} }] }),
      [
        'spec: Invalid value: "": only one of `sharedCounters` or `devices` is allowed',
        'spec.sharedCounters[0].counters: Required value',
      ],
    ],
    [
      'too many devices with taints',
      make({
        devices: Array.from({ length: 65 }, (_, index) => ({ name: `d${index}`, taints: [{ key: 'a', effect: 'None' }] })),
      }),
      ['spec.devices: Too many: 65: must have at most 64 items'],
    ],
    [
      'attributes that are none',
      withDevice({ attributes: { 'a-b': { int: 1, bool: true }, 'd/': {}, v: { version: '1.0' } } }),
      [
        `${at}.attributes: Invalid value: "a-b": a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName', regex used for validation is '[A-Za-z_][A-Za-z0-9_]*')`,
        `${at}.attributes[a-b]: Invalid value: {"IntValue":1,"BoolValue":true,"StringValue":null,"VersionValue":null,"IntValues":null,"BoolValues":null,"StringValues":null,"VersionValues":null}: exactly one value must be specified`,
        `${at}.attributes: Invalid value: "": the name must not be empty`,
        `${at}.attributes[d/]: Invalid value: "": exactly one value must be specified`,
        `${at}.attributes[v].version: Invalid value: "1.0": must be a string compatible with semver.org spec 2.0.0`,
      ],
    ],
    [
      'a policy for a device of one user',
      withDevice({ capacity: { m: { value: '4Gi', requestPolicy: {} } } }),
      [`${policy}: Forbidden: allowMultipleAllocations must be true`],
    ],
    [
      'a policy with a default that is no option',
      withDevice(capacity({ default: '3Gi', validValues: ['2Gi', '1Gi', '5Gi'] })),
      [
        `${policy}.validValues[1]: Invalid value: "1Gi": values must be sorted in ascending order`,
        `${policy}.validValues[2]: Invalid value: "5Gi": option is larger than capacity value: 4Gi`,
        `${policy}.validValues: Invalid value: "3Gi": default value is not valid according to the requestPolicy`,
      ],
    ],
    [
      'a policy with a default between the steps',
      withDevice(capacity({ default: '1536Mi', validRange: { min: '1Gi', max: '4Gi', step: '1Gi' } })),
      [`${policy}.validRange.step: Invalid value: "1536Mi": value is not a multiple of a given step (1Gi) from (1Gi)`],
    ],
    [
      'a policy with a step of nothing',
      withDevice(capacity({ default: '1Gi', validRange: { min: '1Gi', step: '0' } })),
      [`${policy}.validRange.step: Invalid value: "1Gi": value is not a multiple of a given step (0) from (1Gi)`],
    ],
    [
      'taints that are none',
      withDevice({
        taints: [
          { key: 'a', effect: '' },
          { key: 'b', effect: 'Now' },
        ],
      }),
      [
        `${at}.taints[0].effect: Required value`,
        `${at}.taints[1].effect: Unsupported value: "Now": supported values: "NoExecute", "NoSchedule", "None"`,
      ],
    ],
    [
      'nodes of a device where the slice has them',
      withDevice({ nodeName: 'n' }),
      [
        `${at}: Invalid value: null: \`nodeName\`, \`nodeSelector\` and \`allNodes\` can only be set if \`perDeviceNodeSelection\` is set to true in the ResourceSlice spec`,
      ],
    ],
    [
      'no nodes of a device where each has its own',
      withDevice({}, { nodeName: undefined, perDeviceNodeSelection: true }),
      [
        `${at}: Required value: exactly one of \`nodeName\`, \`nodeSelector\`, or \`allNodes\` is required when \`perDeviceNodeSelection\` is set to true in the ResourceSlice spec`,
      ],
    ],
    [
      'overlapping conditions',
      withDevice({ bindingConditions: ['a'], bindingFailureConditions: ['a'] }),
      [`${at}.bindingFailureConditions[0]: Invalid value: "a": bindingFailureConditions must not overlap with bindingConditions`],
    ],
  ];
  for (const [what, object, errors] of refused)
    it(`cannot have ${what}`, async () => {
      await rejects(strategy, object, ...errors);
    });

  it('keep driver, pool and node', async () => {
    const old = (await create(strategy, make())).object;
    const { errors } = await update(strategy, old, ({ spec }) =>
      Object.assign(spec, { driver: 'e', pool: { ...pool, name: 'q', generation: 2 }, nodeName: 'm' }),
    );
    assert.deepEqual(errors, [
      'spec.pool.name: Invalid value: "q": field is immutable',
      'spec.driver: Invalid value: "e": field is immutable',
      'spec.nodeName: Invalid value: "m": field is immutable',
    ]);
  });

  it('are found by node and driver, show them, and warn of capitals', () => {
    const object = { ...make({ driver: 'D' }), metadata };
    assert.deepEqual(strategy.selectableFields, ['spec.nodeName', 'spec.driver']);
    assert.deepEqual(strategy.fields?.(object), { 'spec.nodeName': 'n', 'spec.driver': 'D' });
    assert.deepEqual(row(resourceSliceColumns, object), { Name: 'x', Node: 'n', Driver: 'D', Pool: 'p', Age: '5m' });
    assert.deepEqual(strategy.warnings?.(object, undefined), [
      'spec.driver: driver names should be lowercase; "D" contains uppercase characters',
    ]);
  });
});
