import type { LabelSelector, ObjectMeta } from 'kubernetes-types/meta/v1.d.ts';

/**
 * The fields that the chart uses of custom resources. From the references of cert-manager
 * 1.16 (cert-manager.io/v1), Gateway API 1.2 (gateway.networking.k8s.io/v1) and the Prometheus operator 0.79
 * (monitoring.coreos.com/v1).
 */
interface Resource<Version extends string, Kind extends string, Spec> {
  readonly apiVersion: Version;
  readonly kind: Kind;
  readonly metadata: ObjectMeta;
  readonly spec: Spec;
}

interface CertificateSpec {
  readonly secretName: string;
  readonly dnsNames: readonly string[];
  readonly privateKey: { readonly rotationPolicy: 'Always' | 'Never' };
  readonly issuerRef: { readonly name: string; readonly kind: string; readonly group: string };
}

interface HTTPRouteSpec {
  readonly parentRefs: readonly {
    readonly name: string;
    readonly namespace?: string;
    readonly sectionName?: string;
    readonly port?: number;
    readonly group?: string;
    readonly kind?: string;
  }[];
  readonly hostnames: readonly string[];
  readonly rules: readonly { readonly backendRefs: readonly { readonly name: string; readonly port: number }[] }[];
}

interface ServiceMonitorSpec {
  readonly selector: LabelSelector;
  readonly endpoints: readonly { readonly port: string; readonly path: string; readonly interval: string }[];
}

interface PrometheusRuleSpec {
  readonly groups: readonly {
    readonly name: string;
    readonly rules: readonly {
      readonly alert: string;
      readonly expr: string;
      readonly for?: string;
      readonly labels: Readonly<Record<string, string>>;
      readonly annotations: Readonly<Record<string, string>>;
    }[];
  }[];
}

export type Certificate = Resource<'cert-manager.io/v1', 'Certificate', CertificateSpec>;
export type HTTPRoute = Resource<'gateway.networking.k8s.io/v1', 'HTTPRoute', HTTPRouteSpec>;
export type PrometheusRule = Resource<'monitoring.coreos.com/v1', 'PrometheusRule', PrometheusRuleSpec>;
export type ServiceMonitor = Resource<'monitoring.coreos.com/v1', 'ServiceMonitor', ServiceMonitorSpec>;
