/** The dependencies of the kinds' strategies. */
import type { Clock } from '#client/clock.ts';
import type { RoleGuard } from '../authorization/rbac/role-guard.ts';
import type { PolicyGuard } from './admissionregistration/policy-guard.ts';
import type { CertificateDurationMetrics } from './certificates/certificatesigningrequest/duration-metrics.ts';
import type { ComponentChecks } from './core/componentstatus/component-checks.ts';
import type { ServiceAllocator } from './core/service/allocator.ts';

/** The dependencies that some rooms get from their server; made once per server. */
export interface StrategyDeps {
  clock: Clock;
  /** Allocates cluster IPs and node ports. It refuses to before its first repair. */
  services: ServiceAllocator;
  /** Metrics of issued certificates. Absent: not counted. */
  certificates?: CertificateDurationMetrics | undefined;
  /** Health checks of the control plane's components. */
  components: ComponentChecks;
  /** Prevents privilege escalation by writes of roles and bindings. */
  roles: RoleGuard;
  /** Checks whether a user may let policies read their parameters. */
  policies: PolicyGuard;
  /** A number in [0, 1), for name suffixes. */
  random: () => number;
}
