/** A write for which admission plugins hold reservations (quotas). */
import { StoreError } from '#control/store/errors.ts';
import type { Reservation } from '../admission/plugin.ts';

/**
 * Writes, and settles the reservation: it is kept for a write that has happened, or may have happened (the store did not answer).
 * @param isWritten whether the result means that the write has happened
 * @throws what `write` throws
 */
export async function settled<T>(
  reservation: Reservation | undefined,
  write: () => Promise<T>,
  isWritten: (result: T) => boolean = () => true,
): Promise<T> {
  if (reservation === undefined) return await write();
  try {
    const result = await write();
    reservation.settle(isWritten(result));
    return result;
  } catch (error) {
    reservation.settle(error instanceof StoreError && error.code === 'unavailable');
    throw error;
  }
}
