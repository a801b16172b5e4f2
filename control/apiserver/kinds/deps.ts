/** What the kinds' strategies need from the server that serves them. */
import type { Clock } from '#client/clock.ts';
import type { RoleGuard } from '../authorization/rbac/role-guard.ts';
import type { PolicyGuard } from './admissionregistration/policy-guard.ts';
import type { CertificateDurationMetrics } from './certificates/certificatesigningrequest/duration-metrics.ts';
import type { ComponentChecks } from './core/componentstatus/component-checks.ts';
import type { ServiceAllocator } from './core/service/allocator.ts';

/** What the rooms of some kinds need of the server; made once per server. */
export interface StrategyDeps {
  clock: Clock;
  /** Hands out cluster IPs and node ports; it refuses to until its first repair. */
  services: ServiceAllocator;
  /** Counts what signers give. Absent: nothing is counted. */
  certificates?: CertificateDurationMetrics | undefined;
  /** Knows how the parts of the control plane are. */
  components: ComponentChecks;
  /** Knows who may write which roles and bindings. */
  roles: RoleGuard;
  /** Knows who may have policies read which parameters. */
  policies: PolicyGuard;
  /** A number in [0, 1), for name suffixes. */
  random: () => number;
}
