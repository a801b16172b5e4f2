/** CSINodes. Source: upstream `pkg/apis/storage/validation/validation.go`. */
import { duplicate, type FieldError, invalidValue, required } from '#api/field-error.ts';
import { isQualifiedName } from '#api/names.ts';
import type { CSINode, CSINodeDriver } from '#api/types.generated.ts';
import { validateNonNegative } from '../../../validation/paths.ts';
import { semanticEqual } from '../../../validation/semantic-equal.ts';
import { type Submitted, submitted } from '../../../validation/submitted.ts';
import { validateCsiDriverName } from '../../../validation/volumes/fields.ts';

const maxNodeIdBytes = 256;

/** Validates the drivers: names, node IDs, topology keys. Source: upstream `pkg/apis/storage/validation` (ValidateCSINode). */
export function validateCsiNode({ spec }: CSINode): FieldError[] {
  const names = new Set<string>();
  return (submitted(spec).drivers ?? []).flatMap((driver: Submitted<CSINodeDriver>, index) => {
    const at = `spec.drivers[${index}]`;
    const { name = '', nodeID = '', allocatable, topologyKeys = [] } = driver;
    const errors = validateCsiDriverName(name, `${at}.name`);
    if (nodeID === '') errors.push(required(`${at}.nodeID`));
    if (Buffer.byteLength(nodeID) > maxNodeIdBytes)
      errors.push(invalidValue(`${at}.nodeID`, nodeID, `must be ${maxNodeIdBytes} characters or less`));
    errors.push(...validateNonNegative(allocatable?.count, `${at}.allocatable.count`));
    if (names.has(name)) errors.push(duplicate(`${at}.name`, name));
    names.add(name);
    return [...errors, ...validateTopologyKeys(topologyKeys, at)];
  });
}

function validateTopologyKeys(keys: readonly string[], path: string): FieldError[] {
  const seen = new Set<string>();
  return keys.flatMap((key) => {
    const errors: FieldError[] = key === '' ? [required(path)] : [];
    if (seen.has(key)) errors.push(duplicate(path, key));
    seen.add(key);
    return [...errors, ...isQualifiedName(key).map((text) => invalidValue(path, key, text))];
  });
}

/** Drivers may be added and removed. Only the volume count of an existing one may change. */
export function validateCsiNodeUpdate({ spec }: CSINode, { spec: old }: CSINode): FieldError[] {
  const before = new Map((submitted(old).drivers ?? []).map((driver) => [driver.name, driver]));
  return (submitted(spec).drivers ?? []).flatMap((driver) => {
    const known = before.get(driver.name);
    if (known === undefined || semanticEqual(withoutCount(driver), withoutCount(known))) return [];
    return [invalidValue('spec.drivers', withoutCount(driver), 'field is immutable')];
  });
}

/** The driver with Go's field names, as the error prints it. */
const withoutCount = ({ name = '', nodeID = '', topologyKeys }: Submitted<CSINodeDriver>): object => ({
  Name: name,
  NodeID: nodeID,
  TopologyKeys: topologyKeys ?? null,
  Allocatable: null,
});
