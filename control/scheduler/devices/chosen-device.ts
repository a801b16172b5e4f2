/** Requests for devices, and the devices that were chosen for them. */
import type { ParsedQuantity } from '#api/quantity.ts';
import type { Device, DeviceClass, DeviceSubRequest, ExactDeviceRequest, ResourceSlice } from '#api/types.generated.ts';
import type { RequestName } from './constraints.ts';
import type { DevicePool } from './device-pools.ts';
import type { DeviceId } from './device-state.ts';

/** A request with what it asks for: one of the claim's, or one of its alternatives. */
export interface Request extends RequestName {
  readonly ask: Ask;
  readonly deviceClass: DeviceClass;
  /** Those that a request for all devices gets. */
  readonly all: readonly Candidate[] | undefined;
  readonly count: number;
}

/** What a request, or an alternative, asks for. */
export type Ask = Omit<DeviceSubRequest, 'name'> & Pick<ExactDeviceRequest, 'adminAccess'>;

/** A device, and where it stands. */
export interface Candidate {
  readonly id: DeviceId;
  readonly device: Device;
  readonly slice: ResourceSlice;
  readonly pool: DevicePool;
}

/** A device that was chosen for a request. */
export interface Chosen extends Candidate {
  readonly request: Request;
  readonly consumed: ReadonlyMap<string, ParsedQuantity> | undefined;
}
