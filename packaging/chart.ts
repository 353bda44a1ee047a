import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { parse, stringify } from "yaml";

import packageFile from "../package.json" with { type: "json" };

const REPOSITORY = resolve(import.meta.dirname, "..");
const DEPLOY = join(REPOSITORY, "deploy");
/** What is not generated. */
const KEPT = "NOTES.txt";

const NAMESPACE_CHECK = `{{- if ne .Release.Namespace "sbd-system" }}
{{- fail "sbd-operator lives in namespace sbd-system, which its admission policies name: install it with --namespace sbd-system" }}
{{- end }}
`;

/** Lines of the operator's Deployment, and what stands for them in the chart. Each must be there. */
const DEPLOYMENT_VALUES: readonly (readonly [string, string])[] = [
  ["  replicas: 2\n", "  replicas: {{ .Values.replicas }}\n"],
  [
    "          image: sbd-operator\n",
    '          image: "{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}"\n',
  ],
  [
    "          imagePullPolicy: IfNotPresent\n",
    "          imagePullPolicy: {{ .Values.image.pullPolicy }}\n",
  ],
  [
    "        runAsUser: 65532\n        runAsGroup: 65532\n",
    "        {{- if not .Values.openshift.enabled }}\n        runAsUser: 65532\n        runAsGroup: 65532\n        {{- end }}\n",
  ],
];
const RESOURCES = /( {10})resources:\n(?: {12}.*\n)+/;
const RESOURCES_VALUE = "$1resources:\n$1  {{- toYaml .Values.resources | nindent 12 }}\n";

/** Files of `deploy/components` that a value asks for. */
const OPTIONAL: readonly (readonly [string, string])[] = [
  ["monitoring/servicemonitor.yaml", "monitoring"],
  ["monitoring/prometheusrule.yaml", "monitoring"],
  ["network-policy/network-policy.yaml", "networkPolicy"],
  ["openshift/privileged-scc.yaml", "openshift"],
];

/** Writes the chart's templates and CRDs from `deploy/`, comments and all, into the chart's folder. */
export function writeChart(folder: string): void {
  const templates = join(folder, "templates");
  const crds = join(folder, "crds");
  rmSync(crds, { recursive: true, force: true });
  mkdirSync(crds, { recursive: true });
  for (const name of readdirSync(templates).filter((name) => name !== KEPT)) {
    rmSync(join(templates, name));
  }
  const { resources } = parse(read("base/kustomization.yaml")) as { resources: string[] };
  for (const path of resources) {
    const text = read(join("base", path));
    const name = basename(path);
    if (path.startsWith("crds/")) {
      writeFileSync(join(crds, name), text);
    } else if (path === "operator/deployment.yaml") {
      writeFileSync(join(templates, name), deploymentTemplate(text));
    } else if (path !== "namespace.yaml") {
      writeFileSync(join(templates, name), literal(text, path));
    }
  }
  for (const [path, value] of OPTIONAL) {
    const text = untouched(read(join("components", path)));
    writeFileSync(join(templates, basename(path)), optional(value, text));
  }
  const dashboard = untouched(stringify(dashboardConfigMap(), { lineWidth: 0 }));
  writeFileSync(join(templates, "dashboard.yaml"), optional("monitoring", dashboard));
  writeFileSync(join(templates, "namespace-check.yaml"), NAMESPACE_CHECK);
  const chartFile = join(folder, "Chart.yaml");
  const chart = readFileSync(chartFile, "utf8");
  const { version } = packageFile;
  writeFileSync(chartFile, chart.replaceAll(/^((?:app)?[vV]ersion): .*$/gm, `$1: ${version}`));
}

function deploymentTemplate(text: string): string {
  let template = literal(text, "operator/deployment.yaml");
  for (const [from, to] of DEPLOYMENT_VALUES) {
    if (template.split(from).length !== 2) {
      throw new Error(`the operator's Deployment has not once what the chart replaces: '${from}'`);
    }
    template = template.replace(from, () => to);
  }
  if (!RESOURCES.test(template)) throw new Error("the operator's Deployment has no resources");
  return template.replace(RESOURCES, RESOURCES_VALUE);
}

/** What the monitoring component's configMapGenerator makes. */
function dashboardConfigMap(): unknown {
  const { configMapGenerator } = parse(read("components/monitoring/kustomization.yaml")) as {
    configMapGenerator: {
      name: string;
      namespace: string;
      files: string[];
      options: { labels: Record<string, string> };
    }[];
  };
  const [made, ...others] = configMapGenerator;
  if (made === undefined || others.length > 0) throw new Error("the chart knows one ConfigMap");
  const { name, namespace, files, options } = made;
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name, namespace, labels: options.labels },
    data: Object.fromEntries(
      files.map((file) => [file, read(join("components/monitoring", file))]),
    ),
  };
}

function optional(value: string, text: string): string {
  return `{{- if .Values.${value}.enabled }}\n${text}{{- end }}\n`;
}

/** Prometheus and Grafana have templates in the same braces, which are theirs to run. */
function untouched(text: string): string {
  return text.replaceAll("{{", () => '{{ "{{" }}');
}

/** As it is: nothing in it may mean anything to a template. */
function literal(text: string, path: string): string {
  if (text.includes("{{")) throw new Error(`${path} has '{{', which a chart's template would run`);
  return text.endsWith("\n") ? text : `${text}\n`;
}

function read(path: string): string {
  return readFileSync(join(DEPLOY, path), "utf8");
}
