/**
 * What the devices of a claim must, or must not, have in common. Once a constraint refuses a device, more devices never change that.
 *
 * Source: dynamic-resource-allocation `structured/internal/incubating/{allocator_incubating,constraint}.go`.
 */
import { ownValue } from '#api/own-value.ts';
import type { Device, DeviceAttribute, DeviceConstraint } from '#api/types.generated.ts';

/** A request, or a subrequest of one. */
export interface RequestName {
  readonly request: string;
  readonly subRequest?: string | undefined;
}

/** `gpu`, or `gpu/large`. */
export const requestReference = ({ request, subRequest }: RequestName): string =>
  subRequest === undefined ? request : `${request}/${subRequest}`;

/** A constraint with the devices that it has seen. */
export interface Constraint {
  /** Takes the device in. @returns false: it does not go with the others, and is not taken in */
  add(name: RequestName, device: Device, driver: string): boolean;
  /** Takes back the last device that was added. */
  remove(name: RequestName): void;
}

/** @returns undefined when its type is not known */
export function constraintOf({ matchAttribute, distinctAttribute, requests = [] }: DeviceConstraint): Constraint | undefined {
  const names = new Set(requests);
  const concerns = (name: RequestName): boolean =>
    names.size === 0 || names.has(name.request) || (name.subRequest !== undefined && names.has(requestReference(name)));
  if (matchAttribute !== undefined)
    return attributeConstraint(matchAttribute, concerns, (value, seen) => seen.length === 0 || seen[0] === value);
  if (distinctAttribute !== undefined)
    return attributeConstraint(distinctAttribute, concerns, (value, seen) => !seen.includes(value));
  return undefined;
}

function attributeConstraint(
  attribute: string,
  concerns: (name: RequestName) => boolean,
  goesWith: (value: string, seen: readonly string[]) => boolean,
): Constraint {
  const seen: string[] = [];
  return {
    add(name, device, driver) {
      if (!concerns(name)) return true;
      const value = comparable(attributeOf(device, driver, attribute));
      if (value === undefined || !goesWith(value, seen)) return false;
      seen.push(value);
      return true;
    },
    remove(name) {
      if (concerns(name)) seen.pop();
    },
  };
}

/** By its full name, or by its name alone, which is in the driver's domain. */
function attributeOf({ attributes = {} }: Device, driver: string, name: string): DeviceAttribute | undefined {
  const full = ownValue(attributes, name);
  const separator = name.indexOf('/');
  if (full !== undefined || separator < 0 || name.slice(0, separator) !== driver) return full;
  return ownValue(attributes, name.slice(separator + 1));
}

/** Equal for equal values of one type. Versions have one spelling only (semver 2.0.0). */
function comparable(attribute: DeviceAttribute | undefined): string | undefined {
  if (attribute?.string !== undefined) return `string ${attribute.string}`;
  if (attribute?.int !== undefined) return `int ${attribute.int}`;
  if (attribute?.bool !== undefined) return `bool ${attribute.bool}`;
  return attribute?.version === undefined ? undefined : `version ${attribute.version}`;
}
