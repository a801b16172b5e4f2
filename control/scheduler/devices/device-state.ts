/**
 * Which devices are taken: by claims that are allocated, and by those whose allocation is on its way. Pure.
 *
 * Source: dynamic-resource-allocation `structured/internal/allocatedstate.go`; upstream `plugins/dynamicresources/allocateddevices.go`.
 */
import type { Quantity } from '#api/json.ts';
import { addQuantity, type ParsedQuantity, parseQuantity } from '#api/quantity.ts';
import type { AllocationResult } from '#api/types.generated.ts';

/** `driver/pool/device`. A device's name has no slash, and neither has a driver's. */
export type DeviceId = string;

/** The identity of a device. */
export const deviceId = (driver: string, pool: string, device: string): DeviceId => `${driver}/${pool}/${device}`;

/** How much of each capacity is used. */
export type ConsumedCapacity = ReadonlyMap<string, ParsedQuantity>;

/** The devices that are taken. */
export interface AllocatedState {
  /** As a whole. */
  readonly devices: ReadonlySet<DeviceId>;
  /** By several claims at a time: how much of each capacity. */
  readonly shared: ReadonlyMap<DeviceId, ConsumedCapacity>;
}

/** Whether somebody uses the device, as a whole or a part of it. */
export const isAllocated = (id: DeviceId, { devices, shared }: AllocatedState): boolean => devices.has(id) || shared.has(id);

/** What these allocations take. */
export function allocatedState(allocations: Iterable<AllocationResult>): AllocatedState {
  const devices = new Set<DeviceId>();
  const shared = new Map<DeviceId, Map<string, ParsedQuantity>>();
  for (const { devices: allocated } of allocations)
    for (const { driver, pool, device, adminAccess, shareID, consumedCapacity } of allocated?.results ?? []) {
      // Access for administrators takes a device from no other claim.
      if (adminAccess === true) continue;
      const id = deviceId(driver, pool, device);
      if (shareID === undefined) devices.add(id);
      else
        addCapacity(
          shared.getOrInsertComputed(id, () => new Map()),
          consumedCapacity ?? {},
        );
    }
  return { devices, shared };
}

function addCapacity(sums: Map<string, ParsedQuantity>, consumed: Readonly<Record<string, Quantity>>): void {
  for (const [name, value] of Object.entries(consumed)) {
    const sum = sums.get(name);
    sums.set(name, sum === undefined ? parseQuantity(value) : addQuantity(sum, value));
  }
}
