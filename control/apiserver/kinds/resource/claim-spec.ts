/**
 * The spec of a claim, in a ResourceClaim and in a template. Source: upstream `pkg/apis/resource/validation/validation.go`,
 * `v1/defaults.go`.
 */
import { type Check, type FieldError, forbiddenField, invalidValue, notSupported, required, tooMany } from '#api/field-error.ts';
import { invalid } from '#api/status.ts';
import type {
  DeviceClaim,
  DeviceConstraint,
  DeviceRequest,
  DeviceSubRequest,
  ExactDeviceRequest,
  Namespace,
  ResourceClaimSpec,
} from '#api/types.generated.ts';
import type { RequestContext } from '../../registry/strategy.ts';
import { validateList, validateSet } from '../../validation/lists.ts';
import type { Submitted } from '../../validation/submitted.ts';
import { validateClassName, validateFullyQualifiedName, validateLabel } from './names.ts';
import { selectorChecks, validateConfiguration, validateToleration } from './parts.ts';

const maxRequests = 32;
const maxConstraints = 32;
const maxConfigs = 32;
const maxSubRequests = 8;
const allocationModes = ['All', 'ExactCount'];
/** Label of namespaces whose claims may use admin access, also to devices that are in use. */
const adminLabel = 'resource.kubernetes.io/admin-access';

/** Sets the defaults (one device per request), in place. */
export function setClaimDefaults(spec: ResourceClaimSpec): void {
  spec.devices ??= {};
  for (const { exactly, firstAvailable = [] } of spec.devices.requests ?? []) {
    for (const request of exactly === undefined ? firstAvailable : [exactly, ...firstAvailable]) {
      request.allocationMode ||= 'ExactCount';
      if (request.allocationMode === 'ExactCount') request.count ||= 1;
    }
  }
}

/** The names of a claim's requests, each with the names of its subrequests, if any. */
export type RequestNames = ReadonlyMap<string, ReadonlySet<string> | undefined>;

/** Returns the names of the claim's requests and subrequests. */
export function requestNamesOf({ devices = {} }: Submitted<ResourceClaimSpec>): RequestNames {
  return new Map(
    (devices.requests ?? []).map(({ name = '', firstAvailable = [] }: Submitted<DeviceRequest>) => [
      name,
      firstAvailable.length === 0 ? undefined : new Set(firstAvailable.map((one) => one.name)),
    ]),
  );
}

/**
 * Validates a claim's requests, constraints and configuration, part by part. Source: upstream `pkg/apis/resource/validation`
 * (validateResourceClaimSpec).
 */
export function claimSpecChecks(spec: Submitted<ResourceClaimSpec>, path: string): Check[] {
  const { requests = [], constraints = [], config = [] }: DeviceClaim = spec.devices ?? {};
  const names = requestNamesOf(spec);
  const at = `${path}.devices`;
  return [
    ...setChecks(requests, maxRequests, `${at}.requests`, requestChecks),
    () => validateList(constraints, maxConstraints, `${at}.constraints`, (one, where) => validateConstraint(one, where, names)),
    () =>
      validateList(config, maxConfigs, `${at}.config`, (one, where) => [
        ...validateRequestRefs(one.requests, `${where}.requests`, names),
        ...validateConfiguration(one, where),
      ]),
  ];
}

/** The checks of each item, and of unique names. */
function setChecks<T extends { name?: string | undefined }>(
  items: readonly T[],
  max: number,
  path: string,
  checksOf: (item: T, path: string) => Check[],
): Check[] {
  if (items.length > max) return [() => [tooMany(path, items.length, max)]];
  return [
    ...items.flatMap((item, index) => checksOf(item, `${path}[${index}]`)),
    () =>
      validateSet(
        items,
        undefined,
        path,
        () => [],
        ({ name = '' }) => name,
      ),
  ];
}

function requestChecks({ name, exactly, firstAvailable = [] }: Submitted<DeviceRequest>, path: string): Check[] {
  const named: Check = () => validateLabel(name, `${path}.name`);
  const one = 'exactly one of `exactly` or `firstAvailable` is required';
  if (firstAvailable.length === 0) {
    if (exactly === undefined) return [named, () => [required(path, one)]];
    return [named, ...oneChecks(exactly, `${path}.exactly`)];
  }
  if (exactly !== undefined) return [named, () => [invalidValue(path, null, `${one}, but multiple fields are set`)]];
  const subChecks = (sub: Submitted<DeviceSubRequest>, at: string): Check[] => [
    () => validateLabel(sub.name, `${at}.name`),
    ...oneChecks(sub, at),
  ];
  return [named, ...setChecks(firstAvailable, maxSubRequests, `${path}.firstAvailable`, subChecks)];
}

function oneChecks(request: Submitted<ExactDeviceRequest>, path: string): Check[] {
  const { deviceClassName, selectors, allocationMode = '', count = 0, tolerations = [] } = request;
  return [
    () => validateClassName(deviceClassName, `${path}.deviceClassName`),
    ...selectorChecks(selectors, `${path}.selectors`),
    () => validateAllocationMode(allocationMode, count, path),
    () => tolerations.flatMap((one, index) => validateToleration(one, `${path}.tolerations[${index}]`)),
  ];
}

function validateAllocationMode(mode: string, count: number, path: string): FieldError[] {
  switch (mode) {
    case 'All':
      if (count !== 0) return [invalidValue(`${path}.count`, count, "must not be specified when allocationMode is 'All'")];
      return [];
    case 'ExactCount':
      return count > 0 ? [] : [invalidValue(`${path}.count`, count, 'must be greater than zero')];
    default:
      return [notSupported(`${path}.allocationMode`, mode, allocationModes)];
  }
}

function validateConstraint(constraint: Submitted<DeviceConstraint>, path: string, names: RequestNames): FieldError[] {
  const { requests, matchAttribute, distinctAttribute } = constraint;
  const errors = validateRequestRefs(requests, `${path}.requests`, names);
  if (matchAttribute !== undefined) return [...errors, ...validateFullyQualifiedName(matchAttribute, `${path}.matchAttribute`)];
  if (distinctAttribute !== undefined)
    return [...errors, ...validateFullyQualifiedName(distinctAttribute, `${path}.distinctAttribute`)];
  const text = 'exactly one of "matchAttribute" or "distinctAttribute" is required, but multiple fields are set';
  return [...errors, required(path, text)];
}

/** Validates references to requests of the claim, which must be unique. */
export function validateRequestRefs(refs: readonly string[] = [], path: string, names: RequestNames): FieldError[] {
  return validateSet(
    refs,
    maxRequests,
    path,
    (ref, at) => validateRequestRef(ref, at, names),
    (ref) => ref,
  );
}

/** Validates a reference: `request`, or `request/subrequest`. */
export function validateRequestRef(ref: string, path: string, names: RequestNames): FieldError[] {
  const text = "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'";
  const parts = ref.split('/');
  if (parts.length > 2) return [invalidValue(path, ref, text)];
  const [name = '', sub] = parts;
  const isKnown = names.has(name) && (sub === undefined || names.get(name)?.has(sub) === true);
  return [...parts.flatMap((part) => validateLabel(part, path)), ...(isKnown ? [] : [invalidValue(path, ref, text)])];
}

/**
 * Refuses admin access in a namespace without the label.
 * @param what kind and name for the error @throws ApiError 422
 */
export async function checkAdminAccess(
  spec: Submitted<ResourceClaimSpec>,
  what: { kind: string; name: string; namespace: string },
  { read }: RequestContext,
): Promise<void> {
  const index = (spec.devices?.requests ?? []).findIndex(({ exactly }) => exactly?.adminAccess === true);
  if (index < 0) return;
  const namespace = (await read('namespaces', undefined, what.namespace)) as Namespace | undefined;
  if (namespace?.metadata.labels?.[adminLabel] === 'true') return;
  const text = `admin access to devices requires the \`${adminLabel}: true\` label on the containing namespace`;
  const error = forbiddenField(`spec.devices.requests[${index}].adminAccess`, text);
  throw invalid({ group: 'resource.k8s.io', name: what.kind }, what.name, [error]);
}
