// Shows a cell's picture beside its point while the mouse rests there.

const APART = 28; // px between the pointer and the picture, past the label

export default function ({ data, parentElement }) {
  let picture = parentElement.querySelector("img");
  if (!picture) {
    picture = document.createElement("img");
    picture.className = "hovered";
    picture.alt = ""; // the cells themselves can be picked, and are then shown with their words
    picture.hidden = true;
    parentElement.appendChild(picture);
  }

  const show = ({ points, event }) => {
    const id = String([points[0].customdata].flat()[0]);
    const [role, number] = id.includes(":") ? id.split(":") : ["query", id];
    const address = data.pictures[role]?.replace("{cell}", number);
    if (!address || !event) return;
    picture.src = address;
    const { width, height } = { width: data.size + APART, height: data.size + APART };
    const left = event.clientX + width > innerWidth ? event.clientX - width : event.clientX + APART;
    const top = event.clientY - height < 0 ? event.clientY + APART : event.clientY - height;
    Object.assign(picture.style, { left: `${left}px`, top: `${top}px`, width: `${data.size}px` });
    picture.hidden = false;
  };
  const hide = () => {
    picture.hidden = true;
  };

  // The chart is drawn before or after this, and anew whenever its data change.
  const host = parentElement.getRootNode().host ?? parentElement;
  const box = host.closest(".stVerticalBlock");
  const follow = () => {
    const chart = box?.querySelector(".js-plotly-plot");
    if (!chart?.on || chart.shows === show) return;
    if (chart.shows) {
      chart.removeListener("plotly_hover", chart.shows);
      chart.removeListener("plotly_unhover", chart.hides);
    }
    chart.on("plotly_hover", show);
    chart.on("plotly_unhover", hide);
    Object.assign(chart, { shows: show, hides: hide });
  };
  follow();
  const watch = new MutationObserver(follow);
  if (box) watch.observe(box, { childList: true, subtree: true });
  return () => {
    watch.disconnect();
    hide();
  };
}
