/** One device of a ResourceSlice. Source: upstream `pkg/apis/resource/validation/validation.go`. */
import { type FieldError, forbiddenField, invalidValue, required, tooLong } from '#api/field-error.ts';
import type { Device, DeviceAttribute, DeviceCapacity, DeviceCounterConsumption } from '#api/types.generated.ts';
import { goValue } from '../../../validation/go-value.ts';
import { validateList, validateMap, validateSet } from '../../../validation/lists.ts';
import { validateNodeSelector } from '../../../validation/pod-spec/affinity.ts';
import { semanticEqual } from '../../../validation/semantic-equal.ts';
import type { Submitted } from '../../../validation/submitted.ts';
import { goNames, maxQualifiedNameBytes, validateLabel, validateQualifiedName } from '../names.ts';
import { validateBindingConditions, validateTaint } from '../parts.ts';
import { validateCounters, validateNodeName } from './device-parts.ts';
import { validateRequestPolicy } from './request-policy.ts';

const maxAttributesAndCapacities = 32;
const maxAttributeValues = 48;
const maxTaints = 16;
const maxConsumedSets = 2;
const maxValueBytes = 64;

/**
 * Validates a device. @param old the previous device of that name, whose unchanged taints stay valid @param perDevice whether each device
 * names its nodes
 */
export function validateDevice(
  device: Submitted<Device>,
  old: Device | undefined,
  path: string,
  perDevice: boolean,
): FieldError[] {
  const { attributes = {}, capacity = {}, taints = [], consumesCounters = [], allowMultipleAllocations = false } = device;
  const keys = { keyBytes: maxQualifiedNameBytes };
  const consumed = `${path}.consumesCounters`;
  return [
    ...validateLabel(device.name, `${path}.name`),
    ...validateCounts(device, path),
    ...validateMap(attributes, { ...keys, path: `${path}.attributes` }, validateQualifiedName, validateAttribute),
    ...validateMap(capacity, { ...keys, path: `${path}.capacity` }, validateQualifiedName, (one, at) =>
      validateCapacity(one, at, allowMultipleAllocations),
    ),
    ...(old !== undefined && semanticEqual(taints, old.taints)
      ? []
      : validateList(taints, maxTaints, `${path}.taints`, validateTaint)),
    ...validateSet(consumesCounters, maxConsumedSets, consumed, validateConsumption, ({ counterSet }) => counterSet),
    ...(perDevice ? validateNodes(device, path) : forbidNodes(device, path)),
    ...validateBindingConditions(device.bindingConditions, device.bindingFailureConditions, path),
  ];
}

function validateCounts({ attributes = {}, capacity = {} }: Submitted<Device>, path: string): FieldError[] {
  const count = Object.keys(attributes).length + Object.keys(capacity).length;
  const values = Object.values(attributes).reduce((sum, attribute) => {
    const listed = [attribute.bools, attribute.ints, attribute.strings, attribute.versions].reduce(
      (all, list) => all + (list?.length ?? 0),
      0,
    );
    return sum + (listed === 0 ? 1 : listed);
  }, 0);
  const text = (what: string, max: number): string => `the total number of ${what} must not exceed ${max}`;
  return [
    ...(count > maxAttributesAndCapacities
      ? [invalidValue(path, count, text('attributes and capacities', maxAttributesAndCapacities))]
      : []),
    ...(values > maxAttributeValues ? [invalidValue(path, values, text('attribute values', maxAttributeValues))] : []),
  ];
}

/** Validates an attribute, which has exactly one value. */
function validateAttribute(attribute: DeviceAttribute, path: string): FieldError[] {
  const { string, version, bools, ints, strings, versions } = attribute;
  const given = Object.values(attribute).filter((value) => value !== undefined).length;
  const errors: FieldError[] = [];
  if (string !== undefined) errors.push(...validateLength(string, `${path}.string`));
  if (version !== undefined) errors.push(...validateVersion(version, `${path}.version`));
  for (const [name, list] of Object.entries({ bools, ints, strings, versions }))
    if (list?.length === 0) errors.push(invalidValue(`${path}.${name}`, list, 'must not be empty if specified'));
  strings?.forEach((one, index) => errors.push(...validateLength(one, `${path}.strings[${index}]`)));
  versions?.forEach((one, index) => errors.push(...validateVersion(one, `${path}.versions[${index}]`)));
  const text = 'exactly one value must be specified';
  if (given === 0) errors.push(invalidValue(path, '', text));
  if (given > 1) errors.push(invalidValue(path, goValue('resource/v1.DeviceAttribute', attribute, goNames), text));
  return errors;
}

const validateLength = (value: string, path: string): FieldError[] =>
  Buffer.byteLength(value) > maxValueBytes ? [tooLong(path, maxValueBytes)] : [];

const numeric = '(?:0|[1-9][0-9]*)';
const preRelease = '(?:0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)';
const semver = new RegExp(
  `^${numeric}\\.${numeric}\\.${numeric}(?:-${preRelease}(?:\\.${preRelease})*)?(?:\\+[0-9a-zA-Z-]+(?:\\.[0-9a-zA-Z-]+)*)?$`,
);

function validateVersion(version: string, path: string): FieldError[] {
  const length = validateLength(version, path);
  // A text that is too long gets its own error. The pattern is only used on short texts, because its time grows too fast with the length.
  const isVersion = version.length <= 4 * maxValueBytes && semver.test(version);
  return isVersion ? length : [invalidValue(path, version, 'must be a string compatible with semver.org spec 2.0.0'), ...length];
}

/** Validates a capacity. A request policy is allowed only for devices that can be shared. */
function validateCapacity({ value, requestPolicy }: DeviceCapacity, path: string, isShared: boolean): FieldError[] {
  if (requestPolicy === undefined) return [];
  if (!isShared) return [forbiddenField(`${path}.requestPolicy`, 'allowMultipleAllocations must be true')];
  return validateRequestPolicy(value ?? '0', requestPolicy, `${path}.requestPolicy`);
}

function validateConsumption({ counterSet, counters }: Submitted<DeviceCounterConsumption>, path: string): FieldError[] {
  return [
    ...(counterSet ? validateLabel(counterSet, `${path}.counterSet`) : [required(`${path}.counterSet`)]),
    ...validateCounters(counters, `${path}.counters`),
  ];
}

const oneOfNodes =
  'exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is set to true in the ResourceSlice spec';

function validateNodes({ nodeName, nodeSelector, allNodes }: Submitted<Device>, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const given: string[] = [];
  if (nodeName) {
    given.push('`nodeName`');
    errors.push(...validateNodeName(nodeName, `${path}.nodeName`));
  } else if (nodeName === '') errors.push(invalidValue(`${path}.nodeName`, '', 'must not be empty'));
  if (nodeSelector !== undefined) {
    given.push('`nodeSelector`');
    errors.push(...validateNodeSelector(nodeSelector, true, `${path}.nodeSelector`));
  }
  if (allNodes === true) given.push('`allNodes`');
  else if (allNodes === false) errors.push(invalidValue(`${path}.allNodes`, false, 'must be either unset or set to true'));
  if (given.length === 0) errors.push(required(path, oneOfNodes));
  if (given.length > 1) errors.push(invalidValue(path, `{${given.join(', ')}}`, oneOfNodes));
  return errors;
}

function forbidNodes({ nodeName, nodeSelector, allNodes }: Submitted<Device>, path: string): FieldError[] {
  if (nodeName === undefined && nodeSelector === undefined && allNodes === undefined) return [];
  const text =
    '`nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true in the ResourceSlice spec';
  return [invalidValue(path, null, text)];
}
