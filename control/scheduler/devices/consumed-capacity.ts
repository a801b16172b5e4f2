/**
 * How much of a device's capacities a request takes, and whether that is left. Pure.
 *
 * Source: KEP-5075; dynamic-resource-allocation `structured/internal/incubating/consumable_capacity.go`.
 */
import type { Quantity } from '#api/json.ts';
import { ownValue } from '#api/own-value.ts';
import { addQuantity, compareQuantity, type ParsedQuantity, parseQuantity, wholeQuantity, wholeUnits } from '#api/quantity.ts';
import type { CapacityRequestPolicy, CapacityRequirements, Device, DeviceCapacity } from '#api/types.generated.ts';
import type { ConsumedCapacity } from './device-state.ts';

/** What the request takes of each capacity of the device, rounded as its policy says. */
export function consumedOf(request: CapacityRequirements | undefined, { capacity = {} }: Device): Map<string, ParsedQuantity> {
  const requests = request?.requests ?? {};
  return new Map(Object.entries(capacity).map(([name, one]) => [name, consumed(ownValue(requests, name), one)]));
}

/**
 * Whether the request fits beside what is taken. @param taken by claims that are allocated @param taking by the devices that were chosen for the
 * same pod
 */
export function fitsCapacity(
  request: CapacityRequirements | undefined,
  device: Device,
  taken: ConsumedCapacity | undefined,
  taking: ConsumedCapacity | undefined,
): boolean {
  const { capacity = {} } = device;
  // A capacity that the device does not have.
  if (Object.keys(request?.requests ?? {}).some((name) => !Object.hasOwn(capacity, name))) return false;
  for (const [name, wanted] of consumedOf(request, device)) {
    const one = ownValue(capacity, name);
    if (one === undefined || violates(wanted, one.requestPolicy)) return false;
    let sum = wanted;
    for (const other of [taken?.get(name), taking?.get(name)]) if (other !== undefined) sum = addQuantity(sum, other);
    if (compareQuantity(sum, one.value) > 0) return false;
  }
  return true;
}

function consumed(wanted: Quantity | undefined, { value, requestPolicy: policy }: DeviceCapacity): ParsedQuantity {
  if (wanted === undefined) return parseQuantity(policy?.default ?? value);
  const { validRange, validValues } = policy ?? {};
  if (validRange !== undefined) return inRange(wanted, validRange);
  return parseQuantity(validValues?.find((valid) => compareQuantity(wanted, valid) <= 0) ?? wanted);
}

/** Rounded up to the range's least value, or its next step. */
function inRange(wanted: Quantity, { min, step }: NonNullable<CapacityRequestPolicy['validRange']>): ParsedQuantity {
  if (compareQuantity(wanted, min) < 0) return parseQuantity(min);
  if (step === undefined || wholeUnits(step) <= 0n) return parseQuantity(wanted);
  const [least, by] = [wholeUnits(min), wholeUnits(step)];
  const steps = (wholeUnits(wanted) - least + by - 1n) / by;
  return wholeQuantity(least + by * steps, 'BinarySI');
}

function violates(wanted: ParsedQuantity, policy: CapacityRequestPolicy | undefined): boolean {
  if (policy === undefined) return false;
  if (policy.default !== undefined && compareQuantity(wanted, policy.default) === 0) return false;
  const { validRange, validValues = [] } = policy;
  if (validRange !== undefined) {
    const { min, max, step } = validRange;
    if (max !== undefined && compareQuantity(wanted, max) > 0) return true;
    if (step === undefined || wholeUnits(step) <= 0n) return false;
    return (wholeUnits(wanted) - wholeUnits(min)) % wholeUnits(step) !== 0n;
  }
  return validValues.length > 0 && !validValues.some((valid) => compareQuantity(wanted, valid) === 0);
}
