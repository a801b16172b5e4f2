/** ResourceSlices. Source: upstream `pkg/apis/resource/validation/validation.go`. */
import { type FieldError, invalidValue, required } from '#api/field-error.ts';
import type { CounterSet, NodeSelector, ResourcePool, ResourceSlice, ResourceSliceSpec } from '#api/types.generated.ts';
import { validateSet } from '../../../validation/lists.ts';
import { validateNodeSelector } from '../../../validation/pod-spec/affinity.ts';
import { type Submitted, submitted } from '../../../validation/submitted.ts';
import { validateDriverName, validateLabel, validatePoolName } from '../names.ts';
import { validateCounters, validateNodeName } from './device-parts.ts';
import { validateDevice } from './device-validation.ts';

const maxDevices = 128;
/** Limit of devices in a slice with taints or counters, which cost more to allocate. */
const maxAdvancedDevices = 64;
const maxCounterSets = 8;

/**
 * Validates pool, nodes and devices. @param old undefined on create. Source: upstream `pkg/apis/resource/validation`
 * (ValidateResourceSlice).
 */
export function validateSlice({ spec }: ResourceSlice, old: ResourceSlice | undefined): FieldError[] {
  const { driver, pool, devices = [], sharedCounters = [], perDeviceNodeSelection = false } = submitted(spec);
  const advanced = devices.some(({ taints = [], consumesCounters = [] }) => taints.length > 0 || consumesCounters.length > 0);
  const before = new Map((old?.spec.devices ?? []).map((device) => [device.name, device]));
  const both = spec.sharedCounters !== undefined && spec.devices !== undefined;
  return [
    ...validateDriverName(driver, 'spec.driver'),
    ...validatePool(pool ?? {}),
    ...(old === undefined ? [] : validateKept(spec, old.spec)),
    ...validateNodes(spec),
    ...(both ? [invalidValue('spec', '', 'only one of `sharedCounters` or `devices` is allowed')] : []),
    ...validateSet(
      devices,
      advanced ? maxAdvancedDevices : maxDevices,
      'spec.devices',
      (device, at) => validateDevice(device, before.get(device.name), at, perDeviceNodeSelection),
      ({ name }) => name,
    ),
    ...validateSet(sharedCounters, maxCounterSets, 'spec.sharedCounters', validateCounterSet, ({ name }) => name),
  ];
}

function validatePool({ name, generation = 0, resourceSliceCount: count = 0 }: Submitted<ResourcePool>): FieldError[] {
  return [
    ...validatePoolName(name, 'spec.pool.name'),
    ...(count > 0 ? [] : [invalidValue('spec.pool.resourceSliceCount', count, 'must be greater than zero')]),
    ...(generation >= 0 ? [] : [invalidValue('spec.pool.generation', generation, 'must be greater than or equal to zero')]),
  ];
}

function validateKept(spec: ResourceSliceSpec, old: ResourceSliceSpec): FieldError[] {
  const text = 'field is immutable';
  return [
    ...(spec.pool.name === old.pool.name ? [] : [invalidValue('spec.pool.name', spec.pool.name, text)]),
    ...(spec.driver === old.driver ? [] : [invalidValue('spec.driver', spec.driver, text)]),
    ...(spec.nodeName === old.nodeName ? [] : [invalidValue('spec.nodeName', spec.nodeName, text)]),
  ];
}

/** Exactly one of the fields that select nodes must be set. */
function validateNodes({ nodeName, nodeSelector, allNodes, perDeviceNodeSelection }: ResourceSliceSpec): FieldError[] {
  const errors: FieldError[] = [];
  const given: string[] = [];
  if (nodeName) {
    given.push('`nodeName`');
    errors.push(...validateNodeName(nodeName, 'spec.nodeName'));
  } else if (nodeName === '') errors.push(invalidValue('spec.nodeName', '', 'must be either unset or set to a non-empty string'));
  if (nodeSelector !== undefined) {
    given.push('`nodeSelector`');
    errors.push(...validateOneTerm(nodeSelector));
  }
  for (const [field, value] of Object.entries({ allNodes, perDeviceNodeSelection })) {
    if (value === true) given.push(`\`${field}\``);
    else if (value === false) errors.push(invalidValue(`spec.${field}`, false, 'must be either unset or set to true'));
  }
  const text = 'exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required';
  if (given.length === 0) errors.push(required('spec', text));
  if (given.length > 1) errors.push(invalidValue('spec', `{${given.join(', ')}}`, `${text}, but multiple fields are set`));
  return errors;
}

function validateOneTerm(selector: Submitted<NodeSelector>): FieldError[] {
  const terms = selector.nodeSelectorTerms ?? [];
  const errors = validateNodeSelector(selector, true, 'spec.nodeSelector');
  if (terms.length === 1) return errors;
  const text = 'must have exactly one node selector term';
  return [...errors, invalidValue('spec.nodeSelector.nodeSelectorTerms', terms, text)];
}

function validateCounterSet({ name, counters }: Submitted<CounterSet>, path: string): FieldError[] {
  return [
    ...(name ? validateLabel(name, `${path}.name`) : [required(`${path}.name`)]),
    ...validateCounters(counters, `${path}.counters`),
  ];
}
