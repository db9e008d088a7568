import "@fontsource-variable/inter/wght.css";
import "./styles/base.css";
import "./styles/controls.css";
import "./styles/pages.css";
import { render } from "preact";
import { ensureIsolated } from "../engine/isolation.ts";
import { App } from "./app.tsx";
import { keepToken } from "./data/server.ts";

keepToken();
// Threads of WebAssembly need it; the local server sends the headers itself, and then this does nothing.
void ensureIsolated();
render(<App />, document.getElementById("app")!);
