/** The failure of a request that got no answer. */

/** The server could not be reached, or the connection to it broke. */
export class TransportError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'TransportError';
  }
}
