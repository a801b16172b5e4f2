/** A write between the reservation of what it uses and the end of the reservation. */
import { StoreError } from '#control/store/errors.ts';
import type { Reservation } from '../admission/plugin.ts';

/**
 * Writes, and settles the reservation: it stays for what was written, and for what may have been written (the store did not answer).
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
