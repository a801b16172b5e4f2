/**
 * DenyServiceExternalIPs: refuses new external IPs of services (CVE-2020-8554). Off by default.
 *
 * Source: upstream `plugin/pkg/admission/network/denyserviceexternalips`.
 */
import type { Service } from '#api/types.generated.ts';
import { type AdmissionPlugin, admissionForbidden, concerns } from '../plugin.ts';

/** @throws (when asked) ApiError 403 */
export const denyServiceExternalIps = (): AdmissionPlugin => ({
  name: 'DenyServiceExternalIPs',
  handles: (operation) => operation === 'create' || operation === 'update',

  validate(attributes) {
    if (!concerns(attributes, '', 'services')) return;
    const before = new Set((attributes.oldObject as Service | undefined)?.spec?.externalIPs);
    const ips = (attributes.object as Service).spec?.externalIPs ?? [];
    if (ips.some((ip) => !before.has(ip)))
      throw admissionForbidden(attributes, 'Use of external IPs is denied by admission control');
  },
});
