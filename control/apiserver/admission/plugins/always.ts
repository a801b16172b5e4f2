/** AlwaysAdmit and AlwaysDeny, which upstream keeps for tests. Off by default. Source: upstream `plugin/pkg/admission/{admit,deny}`. */
import { type AdmissionAttributes, type AdmissionPlugin, admissionForbidden } from '../plugin.ts';

/** AlwaysAdmit: admits everything. Source: upstream `plugin/pkg/admission/admit`. */
export const alwaysAdmit = (): AdmissionPlugin => ({ name: 'AlwaysAdmit', handles: () => true });

/** @throws (when asked) ApiError 403, whatever is asked */
export const alwaysDeny = (): AdmissionPlugin => {
  const refuse = (attributes: AdmissionAttributes): never => {
    throw admissionForbidden(attributes, 'admission control is denying all modifications');
  };
  return { name: 'AlwaysDeny', handles: () => true, mutate: refuse, validate: refuse };
};
