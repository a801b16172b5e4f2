/** The configuration of a plugin is invalid. The message lists all its errors. */
export class AdmissionConfigurationError extends Error {
  override name = 'AdmissionConfigurationError';
}
