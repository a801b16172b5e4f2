/**
 * Validation of the status of a claim, which scheduler and drivers write. Source: upstream `pkg/apis/resource/validation/validation.go`.
 */
import { type FieldError, forbiddenField, invalidValue, notSupported, required, tooLong, tooMany } from '#api/field-error.ts';
import type {
  AllocatedDeviceStatus,
  AllocationResult,
  DeviceAllocationConfiguration,
  DeviceRequestAllocationResult,
  DraResourceClaim,
  NetworkDeviceData,
  ResourceClaimConsumerReference,
} from '#api/types.generated.ts';
import { validateMetaConditions } from '../../../validation/conditions.ts';
import { goValue } from '../../../validation/go-value.ts';
import { validateList, validateSet } from '../../../validation/lists.ts';
import { validateNodeSelector } from '../../../validation/pod-spec/affinity.ts';
import { semanticEqual } from '../../../validation/semantic-equal.ts';
import type { Submitted } from '../../../validation/submitted.ts';
import { requireFields } from '../../../validation/volumes/fields.ts';
import { type RequestNames, requestNamesOf, validateRequestRef, validateRequestRefs } from '../claim-spec.ts';
import { formatAddress, parseInterfaceAddress } from '../interface-address.ts';
import { goNames, validateDriverName, validateLabel, validatePoolName, validateUid } from '../names.ts';
import { validateBindingConditions, validateConfiguration, validateRaw } from '../parts.ts';

const maxReservedFor = 256;
const maxResults = 32;
const maxConfigs = 64;
const maxConditions = 8;
const maxDataBytes = 10 * 1024;
const maxAddresses = 16;

/**
 * Validates a written status: allocation, reservations, and the drivers' reports about devices. Source: upstream
 * `pkg/apis/resource/validation` (ValidateResourceClaimStatusUpdate).
 */
export function validateClaimStatus({ metadata, spec, status = {} }: DraResourceClaim, old: DraResourceClaim): FieldError[] {
  const { reservedFor = [], devices = [], allocation } = status;
  const before = old.status ?? {};
  const names = requestNamesOf(spec);
  const allocated = new Set((allocation?.devices?.results ?? []).map(deviceKey));
  return [
    ...validateSet(reservedFor, maxReservedFor, 'status.reservedFor', validateConsumer, ({ uid }) => uid),
    ...validateSet(
      devices,
      undefined,
      'status.devices',
      (device, at) => validateDevice(device, at, allocated),
      deviceKey,
      () => shownKey,
    ),
    ...validateReservation(reservedFor, allocation, metadata.deletionTimestamp !== undefined, before.reservedFor ?? []),
    ...validateAllocation(allocation, before.allocation, names),
  ];
}

interface NamedDevice {
  driver?: string | undefined;
  pool?: string | undefined;
  device?: string | undefined;
  shareID?: string | undefined;
}

/** A key that is equal for the same share of the same device. */
export const deviceKey = ({ driver = '', pool = '', device = '', shareID = '' }: NamedDevice): string =>
  JSON.stringify([driver, pool, device, shareID]);

/** The key as Go prints it: its strings are unique handles, which are empty in JSON. */
const shownKey = { Driver: {}, Pool: {}, Device: {}, ShareID: {} };

const validateConsumer = (consumer: Submitted<ResourceClaimConsumerReference>, path: string): FieldError[] =>
  requireFields(consumer, path, 'resource', 'name', 'uid');

/** Only an allocated claim can be reserved, and a claim that is being deleted gets no new reservations. */
function validateReservation(
  reservedFor: readonly ResourceClaimConsumerReference[],
  allocation: AllocationResult | undefined,
  isDeleted: boolean,
  before: readonly ResourceClaimConsumerReference[],
): FieldError[] {
  if (reservedFor.length === 0) return [];
  const path = 'status.reservedFor';
  if (allocation === undefined) return [forbiddenField(path, 'may not be specified when `allocated` is not set')];
  if (!isDeleted) return [];
  const key = ({ apiGroup = '', resource, name, uid }: ResourceClaimConsumerReference): string =>
    JSON.stringify([apiGroup, resource, name, uid]);
  const known = new Set(before.map(key));
  if (reservedFor.every((one) => known.has(key(one)))) return [];
  const text = 'new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set';
  return [forbiddenField(path, text)];
}

/** An allocation is immutable until it is removed. */
function validateAllocation(
  allocation: AllocationResult | undefined,
  old: AllocationResult | undefined,
  names: RequestNames,
): FieldError[] {
  if (allocation === undefined) return [];
  const path = 'status.allocation';
  if (old !== undefined) {
    if (semanticEqual(allocation, old)) return [];
    return [invalidValue(path, goValue('resource/v1.AllocationResult', allocation, goNames), 'field is immutable')];
  }
  const { devices = {}, nodeSelector } = allocation;
  return [
    ...validateList(devices.results ?? [], maxResults, `${path}.devices.results`, (one, at) => validateResult(one, at, names)),
    ...validateList(devices.config ?? [], maxConfigs, `${path}.devices.config`, (one, at) => validateConfig(one, at, names)),
    ...(nodeSelector === undefined ? [] : validateNodeSelector(nodeSelector, true, `${path}.nodeSelector`)),
  ];
}

function validateResult(result: Submitted<DeviceRequestAllocationResult>, path: string, names: RequestNames): FieldError[] {
  const { shareID } = result;
  return [
    ...validateRequestRef(result.request ?? '', `${path}.request`, names),
    ...validateDriverName(result.driver, `${path}.driver`),
    ...validatePoolName(result.pool, `${path}.pool`),
    ...validateLabel(result.device, `${path}.device`),
    ...validateBindingConditions(result.bindingConditions, result.bindingFailureConditions, path),
    ...(shareID === undefined ? [] : validateUid(shareID, `${path}.shareID`)),
  ];
}

function validateConfig(config: Submitted<DeviceAllocationConfiguration>, path: string, names: RequestNames): FieldError[] {
  const { source = '' } = config;
  const sources = ['FromClaim', 'FromClass'];
  const errors: FieldError[] = [];
  if (source === '') errors.push(required(`${path}.source`));
  else if (!sources.includes(source)) errors.push(notSupported(`${path}.source`, source, sources));
  return [...errors, ...validateRequestRefs(config.requests, `${path}.requests`, names), ...validateConfiguration(config, path)];
}

function validateDevice(device: Submitted<AllocatedDeviceStatus>, path: string, allocated: ReadonlySet<string>): FieldError[] {
  const { shareID, conditions = [], data, networkData } = device;
  return [
    ...validateDriverName(device.driver, `${path}.driver`),
    ...validatePoolName(device.pool, `${path}.pool`),
    ...validateLabel(device.device, `${path}.device`),
    ...(shareID === undefined ? [] : validateUid(shareID, `${path}.shareID`)),
    ...(allocated.has(deviceKey(device)) ? [] : [invalidValue(path, shownKey, 'must be an allocated device in the claim')]),
    ...(conditions.length > maxConditions ? [tooMany(`${path}.conditions`, conditions.length, maxConditions)] : []),
    ...validateMetaConditions(conditions, `${path}.conditions`),
    ...(data === undefined ? [] : validateRaw(data, `${path}.data`, maxDataBytes)),
    ...(networkData === undefined ? [] : validateNetworkData(networkData, `${path}.networkData`)),
  ];
}

function validateNetworkData(
  { interfaceName = '', hardwareAddress = '', ips = [] }: NetworkDeviceData,
  path: string,
): FieldError[] {
  return [
    ...(Buffer.byteLength(interfaceName) > 256 ? [tooLong(`${path}.interfaceName`, 256)] : []),
    ...(Buffer.byteLength(hardwareAddress) > 128 ? [tooLong(`${path}.hardwareAddress`, 128)] : []),
    ...validateSet(ips, maxAddresses, `${path}.ips`, validateInterfaceAddress, (ip) => ip),
  ];
}

/** Validates an interface address in canonical form. */
function validateInterfaceAddress(value: string, path: string): FieldError[] {
  const parsed = parseInterfaceAddress(value);
  if (parsed === undefined) {
    return [invalidValue(path, value, 'must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)')];
  }
  const canonical = formatAddress(parsed);
  return value === canonical ? [] : [invalidValue(path, value, `must be in canonical form (${JSON.stringify(canonical)})`)];
}
