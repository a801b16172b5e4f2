/**
 * What a status says of single containers: users, allocated devices, image volumes.
 * Source: upstream `pkg/apis/core/validation/validation.go` (validateContainerStatusUsers and its like).
 */
import type { FieldError } from '#api/field-error.ts';
import { duplicate, forbiddenField, invalidValue, notSupported, required, tooLong } from '#api/field-error.ts';
import { isValidGroupId, isValidUserId, nameIsDnsSubdomain } from '#api/names.ts';
import { ownValue } from '#api/own-value.ts';
import type { Container, ContainerStatus, LinuxContainerUser, Pod, ResourceHealth } from '#api/types.generated.ts';
import { type Submitted, submitted } from '../../../validation/submitted.ts';

const maxImageRef = 256;
const maxHealthMessage = 1024;
const healths = ['Healthy', 'Unhealthy', 'Unknown'];

/**
 * Problems of `status.resourceClaimStatuses`: names that the spec does not have, or that stand twice. Source: upstream
 * `pkg/apis/core/validation` (validatePodResourceClaimStatuses).
 */
export function validateClaimStatuses({ spec, status }: Pod): FieldError[] {
  const known = new Set((spec.resourceClaims ?? []).map(({ name }) => name));
  const seen = new Set<string>();
  return (status?.resourceClaimStatuses ?? []).flatMap(({ name, resourceClaimName }, index) => {
    const at = `status.resourceClaimStatuses[${index}]`;
    const errors = known.has(name)
      ? []
      : [invalidValue(`${at}.name`, name, 'must match the name of an entry in `spec.resourceClaims`')];
    if (seen.has(name)) errors.push(duplicate(`${at}.name`, name));
    seen.add(name);
    if (resourceClaimName === undefined) return errors;
    const texts = nameIsDnsSubdomain(resourceClaimName, false);
    return [...errors, ...texts.map((text) => invalidValue(`${at}.resourceClaimName`, resourceClaimName, text))];
  });
}

type Containers = ReadonlyMap<string, Container>;

const byName = (containers: readonly Container[] = []): Containers => new Map(containers.map((one) => [one.name, one]));

/** Problems of what container statuses report. In upstream's order: all users, then all devices, then all volumes. */
export function validateReportedContainers({ spec, status = {} }: Pod): FieldError[] {
  const kinds: [path: string, statuses: readonly ContainerStatus[], containers: Containers | undefined][] = [
    ['status.containerStatuses', status.containerStatuses ?? [], byName(spec.containers)],
    ['status.initContainerStatuses', status.initContainerStatuses ?? [], byName(spec.initContainers)],
    // Ephemeral containers cannot have devices.
    ['status.ephemeralContainerStatuses', status.ephemeralContainerStatuses ?? [], undefined],
  ];
  const each = (validate: (one: ContainerStatus, path: string, containers: Containers | undefined) => FieldError[]) =>
    kinds.flatMap(([path, statuses, containers]) =>
      statuses.flatMap((one, index) => validate(one, `${path}[${index}]`, containers)),
    );
  return [
    ...each(({ user }, path) => validateUser(user?.linux, spec.os?.name ?? 'linux', `${path}.user.linux`)),
    ...each(validateDevices),
    ...each(validateImageVolumes),
  ];
}

function validateUser(user: Submitted<LinuxContainerUser> | undefined, os: string, path: string): FieldError[] {
  if (user === undefined) return [];
  if (os === 'windows') return [forbiddenField(path, 'cannot be set for a windows pod')];
  if (os !== 'linux') return [];
  const { uid = 0, gid = 0, supplementalGroups = [] } = user;
  return [
    ...isValidUserId(uid).map((text) => invalidValue(`${path}.uid`, uid, text)),
    ...isValidGroupId(gid).map((text) => invalidValue(`${path}.gid`, gid, text)),
    ...supplementalGroups.flatMap((id, index) =>
      isValidGroupId(id).map((text) => invalidValue(`${path}.supplementalGroups[${index}]`, id, text)),
    ),
  ];
}

function validateDevices(
  { name: containerName, allocatedResourcesStatus: devices = [] }: ContainerStatus,
  path: string,
  containers: Containers | undefined,
): FieldError[] {
  const at = `${path}.allocatedResourcesStatus`;
  if (containers === undefined)
    return devices.length === 0 ? [] : [forbiddenField(at, 'must not be specified in container status')];
  const container = containers.get(containerName);
  const claims = new Set(
    container?.resources?.claims?.map(({ name, request }) => `claim:${name}${request ? `/${request}` : ''}`),
  );
  return devices.flatMap(({ name, resources = [] }, index) => {
    const why = container === undefined ? undefined : whyNotAsked(name, container, claims);
    const seen = new Set<string>();
    return [
      ...(why === undefined ? [] : [invalidValue(`${at}[${index}].name`, name, why)]),
      ...resources.flatMap((one, device) => validateHealth(one, seen, `${at}[${index}].resources[${device}]`)),
    ];
  });
}

function whyNotAsked(name: string, { resources }: Container, claims: ReadonlySet<string>): string | undefined {
  if (!name.startsWith('claim:'))
    return ownValue(resources?.requests, name) === undefined ? "must match one of the container's resource requests" : undefined;
  return claims.has(name)
    ? undefined
    : "must match one of the container's resource claims in a format 'claim:<claimName>/<request>' or 'claim:<claimName>' if request is empty";
}

function validateHealth(
  { health = '', message, resourceID = '' }: Submitted<ResourceHealth>,
  seen: Set<string>,
  path: string,
): FieldError[] {
  const errors = healths.includes(health) ? [] : [notSupported(`${path}.health`, health, healths)];
  if (message === '') errors.push(required(`${path}.message`, 'must be non-empty if specified'));
  else if (message !== undefined && Buffer.byteLength(message) > maxHealthMessage)
    errors.push(tooLong(`${path}.message`, maxHealthMessage));
  if (seen.has(resourceID)) errors.push(duplicate(`${path}.resourceID`, resourceID));
  seen.add(resourceID);
  return errors;
}

function validateImageVolumes({ volumeMounts = [] }: ContainerStatus, path: string): FieldError[] {
  return volumeMounts.flatMap(({ volumeStatus }, index) => {
    const image = volumeStatus?.image;
    if (image === undefined) return [];
    const at = `${path}.volumeMounts[${index}].volumeStatus.imageVolumeStatus.imageRef`;
    const { imageRef = '' } = submitted(image);
    if (imageRef === '') return [required(at, 'imageRef must not be empty')];
    return Buffer.byteLength(imageRef) > maxImageRef ? [tooLong(at, maxImageRef)] : [];
  });
}
