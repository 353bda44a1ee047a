/**
 * Makes the files that run in the image: `sbd` and all it imports, npm packages included, as a few
 * minified modules beside each other, with the native addon. A program made of sources takes twice
 * the memory and, on a slow processor, half a minute to load.
 *
 * `new URL("<path>", import.meta.url)`, by which sources find the module of a worker or of another
 * process and the addon, finds the same in the bundle: a module becomes an entry point of its own, any
 * other file is copied, and the path is rewritten to the file beside.
 */
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { build, type BuildResult, type Metafile, type Plugin } from "esbuild";

const REPOSITORY = resolve(import.meta.dirname, "..");
const ENTRY = join(REPOSITORY, "src/program/sbd.ts");
const SIBLING = /new URL\(\s*"([^"]+)",\s*import\.meta\.url\s*\)/g;
/** Some packages are CommonJS and ask for Node's own modules by require(). */
const BANNER =
  "import{createRequire as nodeCreateRequire}from'node:module';" +
  "const require=nodeCreateRequire(import.meta.url);";

type Made = BuildResult<{ write: false; metafile: true }>;

/** Writes `sbd.mjs` and what it needs into an emptied folder; tells what each module is made of. */
export async function bundle(outFolder: string): Promise<Metafile> {
  const entries = new Set([ENTRY]);
  const assets = new Set<string>();
  let made = await bundleOf(entries, assets, outFolder);
  // Each round may meet modules that name further ones.
  for (let known = 1; known < entries.size;) {
    known = entries.size;
    made = await bundleOf(entries, assets, outFolder);
  }
  rmSync(outFolder, { recursive: true, force: true });
  mkdirSync(outFolder, { recursive: true });
  for (const { path, contents } of made.outputFiles) {
    writeFileSync(path, contents);
  }
  for (const path of assets) {
    copyFileSync(path, join(outFolder, basename(path)));
  }
  return made.metafile;
}

async function bundleOf(
  entries: Set<string>,
  assets: Set<string>,
  outFolder: string,
): Promise<Made> {
  return build({
    entryPoints: [...entries],
    outdir: outFolder,
    entryNames: "[name]",
    chunkNames: "[name]-[hash]",
    outExtension: { ".js": ".mjs" },
    bundle: true,
    splitting: true,
    minify: true,
    platform: "node",
    target: "node24",
    format: "esm",
    legalComments: "none",
    banner: { js: BANNER },
    plugins: [siblings(entries, assets)],
    logLevel: "error",
    absWorkingDir: REPOSITORY,
    write: false,
    metafile: true,
  });
}

function siblings(entries: Set<string>, assets: Set<string>): Plugin {
  return {
    name: "siblings",
    setup(builder) {
      builder.onLoad({ filter: /\/src\/.*\.ts$/ }, ({ path }) => {
        const source = readFileSync(path, "utf8");
        const contents = source.replaceAll(SIBLING, (_, relative: string) => {
          const target = resolve(dirname(path), relative);
          const isModule = target.endsWith(".ts");
          (isModule ? entries : assets).add(target);
          const name = isModule ? basename(target).replace(/\.ts$/, ".mjs") : basename(target);
          return `new URL("${name}",import.meta.url)`;
        });
        return { contents, loader: "ts" };
      });
    },
  };
}

if (import.meta.main) {
  await bundle(process.argv[2] ?? join(REPOSITORY, "build/bundle"));
}
