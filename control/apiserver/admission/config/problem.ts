/** The configuration of a plugin cannot be used; the message has all that is wrong with it. */
export class AdmissionConfigurationError extends Error {
  override name = 'AdmissionConfigurationError';
}
