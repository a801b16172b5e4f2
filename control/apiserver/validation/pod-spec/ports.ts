/** Ports of containers, services and probes. Source: upstream `pkg/apis/core/validation/validation.go`. */
import type { FieldError } from '#api/field-error.ts';
import { duplicate, invalidValue, notSupported, required } from '#api/field-error.ts';
import type { IntOrString } from '#api/json.ts';
import { isQualifiedName, isValidPortName, isValidPortNum } from '#api/names.ts';
import type { Container, ContainerPort } from '#api/types.generated.ts';

/** In the order that messages print. */
export const protocols = ['SCTP', 'TCP', 'UDP'];

/** Refuses what is not from 1 to 65535. */
export function validatePortNumber(port: number, path: string): FieldError[] {
  return isValidPortNum(port).map((text) => invalidValue(path, port, text));
}

/** A number, or the name of a container's port. */
export function validatePortNumberOrName(port: IntOrString | undefined, path: string): FieldError[] {
  if (typeof port === 'string') return isValidPortName(port).map((text) => invalidValue(path, port, text));
  return validatePortNumber(port ?? 0, path);
}

/** Refuses what is not TCP, UDP or SCTP; an absent one is required. */
export function validateProtocol(protocol: string | undefined, path: string): FieldError[] {
  if (protocol === undefined || protocol === '') return [required(path)];
  return protocols.includes(protocol) ? [] : [notSupported(path, protocol, protocols)];
}

/**
 * Problems of a container's ports, and of names that stand twice in it. Source: upstream `pkg/apis/core/validation`
 * (validateContainerPorts).
 */
export function validateContainerPorts(ports: readonly ContainerPort[], path: string): FieldError[] {
  const names = new Set<string>();
  return ports.flatMap((port, index) => {
    const at = `${path}[${index}]`;
    const errors = validatePortName(port.name ?? '', names, `${at}.name`);
    if (!port.containerPort) errors.push(required(`${at}.containerPort`));
    else errors.push(...validatePortNumber(port.containerPort, `${at}.containerPort`));
    if (port.hostPort) errors.push(...validatePortNumber(port.hostPort, `${at}.hostPort`));
    errors.push(...validateProtocol(port.protocol, `${at}.protocol`));
    return errors;
  });
}

function validatePortName(name: string, seen: Set<string>, path: string): FieldError[] {
  if (name === '') return [];
  const texts = isValidPortName(name);
  if (texts.length > 0) return texts.map((text) => invalidValue(path, name, text));
  if (seen.has(name)) return [duplicate(path, name)];
  seen.add(name);
  return [];
}

/** Two containers of a pod cannot take the same port of the host. */
export function validateHostPortConflicts(containers: readonly Pick<Container, 'ports'>[], path: string): FieldError[] {
  const seen = new Set<string>();
  return containers.flatMap(({ ports = [] }, containerIndex) =>
    ports.flatMap(({ protocol = '', hostIP = '', hostPort }, portIndex) => {
      if (!hostPort) return [];
      const key = `${protocol}/${hostIP}/${hostPort}`;
      if (seen.has(key)) return [duplicate(`${path}[${containerIndex}].ports[${portIndex}].hostPort`, key)];
      seen.add(key);
      return [];
    }),
  );
}

/** Of Services, Endpoints and EndpointSlices. */
export const validateAppProtocol = (value: string | undefined, path: string): FieldError[] =>
  value === undefined ? [] : isQualifiedName(value).map((text) => invalidValue(`${path}.appProtocol`, value, text));
