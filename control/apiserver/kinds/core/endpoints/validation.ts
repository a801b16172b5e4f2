/** Endpoints. Source: upstream `pkg/apis/core/validation/validation.go`, ValidateEndpoints. */
import type { FieldError } from '#api/field-error.ts';
import { invalidValue, required } from '#api/field-error.ts';
import { isDns1123Label, nameIsDnsSubdomain } from '#api/names.ts';
import type { EndpointAddress, EndpointPort, EndpointSubset, Endpoints } from '#api/types.generated.ts';
import { isUsableEndpointIp, validateEndpointIp, validateIp } from '../../../validation/ip.ts';
import { validateAppProtocol, validatePortNumber, validateProtocol } from '../../../validation/pod-spec/ports.ts';
import { semanticEqual } from '../../../validation/semantic-equal.ts';
import type { Submitted } from '../../../validation/submitted.ts';

/** Problems of the subsets. Subsets that were stored before the rules became stricter are accepted as they are. */
export function validateEndpoints({ subsets = [] }: Endpoints, old: Endpoints | undefined): FieldError[] {
  return old !== undefined && semanticEqual(subsets, old.subsets) ? [] : validateSubsets(subsets);
}

function validateSubsets(subsets: readonly EndpointSubset[]): FieldError[] {
  return subsets.flatMap(({ addresses = [], notReadyAddresses = [], ports = [] }, index) => {
    const at = `subsets[${index}]`;
    return [
      ...(addresses.length + notReadyAddresses.length === 0
        ? [required(at, 'must specify `addresses` or `notReadyAddresses`')]
        : []),
      ...addresses.flatMap((address, one) => validateAddress(address, `${at}.addresses[${one}]`)),
      ...notReadyAddresses.flatMap((address, one) => validateAddress(address, `${at}.notReadyAddresses[${one}]`)),
      ...ports.flatMap((port, one) => validatePort(port, ports.length > 1, `${at}.ports[${one}]`)),
    ];
  });
}

function validateAddress({ ip = '', hostname, nodeName }: Submitted<EndpointAddress>, path: string): FieldError[] {
  // The path is made for errors only: there may be tens of thousands of addresses, nearly all of them right.
  if (!hostname && nodeName === undefined && isUsableEndpointIp(ip)) return [];
  return [
    ...validateIp(ip, `${path}.ip`),
    ...(hostname ? isDns1123Label(hostname).map((text) => invalidValue(`${path}.hostname`, hostname, text)) : []),
    ...(nodeName === undefined
      ? []
      : nameIsDnsSubdomain(nodeName, false).map((text) => invalidValue(`${path}.nodeName`, nodeName, text))),
    ...validateEndpointIp(ip, `${path}.ip`),
  ];
}

function validatePort(
  { name = '', port, protocol, appProtocol }: EndpointPort,
  requireName: boolean,
  path: string,
): FieldError[] {
  const errors: FieldError[] = [];
  if (name !== '') errors.push(...isDns1123Label(name).map((text) => invalidValue(`${path}.name`, name, text)));
  else if (requireName) errors.push(required(`${path}.name`));
  errors.push(...validatePortNumber(port ?? 0, `${path}.port`), ...validateProtocol(protocol, `${path}.protocol`));
  return [...errors, ...validateAppProtocol(appProtocol, path)];
}
