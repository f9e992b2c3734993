// Nodes: [kind, name, formula, x, y, w, h, shape, value, cotangent, line, links]; links: [input, name, rule, derivative,
// its numbers, what is passed on]; edges: [node, link, x, y, x, y, ...]; groups: [label, x, y, w, h].
const $=id=>document.getElementById(id),ns='http://www.w3.org/2000/svg'
const make=(parent,tag,attributes,text)=>{const e=document.createElementNS(ns,tag)
for(const k in attributes)e.setAttribute(k,attributes[k])
if(text!=null)e.textContent=text
return parent.appendChild(e)}
const put=(parent,tag,text,cls)=>{const e=document.createElement(tag)
if(text!=null)e.textContent=text
if(cls)e.className=cls
return parent.appendChild(e)}
const [W,H]=D.size,svg=make($('graph'),'svg',{viewBox:`-2 -2 ${W+4} ${H+4}`})
const defs=make(svg,'defs',{})
for(const [id,color] of [['a','edge'],['b','backline']])make(make(defs,'marker',{id,viewBox:'0 0 8 8',refX:7,refY:4,markerWidth:7,markerHeight:7,markerUnits:'userSpaceOnUse',orient:'auto-start-reverse'}),'path',{d:'M0 .5L7.5 4L0 7.5z',style:`fill:var(--${color})`})
for(const [label,x,y,width,height] of D.groups){make(svg,'rect',{class:'box',x,y,width,height,rx:8});make(svg,'text',{class:'tag',x:x+9,y:y+16},label)}
const edges=D.edges.map(e=>make(svg,'path',{class:'e',d:curve(e.slice(2)),'marker-end':'url(#a)'}))
const nodes=D.nodes.map(([kind,name,formula,x,y,width,height,,value,cotangent],i)=>{
const g=make(svg,'g',{class:'n k'+kind,'data-node':i})
make(g,'rect',{x,y,width,height,rx:6})
const lines=[[clip(title(i)),''],[value||D.nodes[i][7],'d'],[cotangent&&`ḡ = ${cotangent}`,'m']].filter(l=>l[0])
lines.forEach(([text,cls],k)=>make(g,'text',{class:cls,x:x+width/2,y:y+height/2+4+16*(k-(lines.length-1)/2)},clip(text)))
g.onclick=()=>{select(i);$('graph').focus()}
return g})
const labels=make(svg,'g',{})
// A smooth line that leaves and arrives vertically.
function curve(p){let d=`M${p[0]} ${p[1]}`
for(let i=2;i<p.length;i+=2){const [x,y,u,v]=p.slice(i-2,i+2),m=(y+v)/2;d+=Math.abs(x-u)<1?`V${v}`:`C${x} ${m} ${u} ${m} ${u} ${v}`}
return d}
function clip(text){return text.length>D.widest?text.slice(0,D.widest-1)+'…':text}
// The nodes in the order of the backward pass, and the readers of each node.
const order=D.nodes.map((n,i)=>i).filter(i=>D.nodes[i][9]).reverse()
const readers=D.nodes.map(()=>[])
D.nodes.forEach((n,i)=>n[11].forEach(l=>{if(l[0]>=0)readers[l[0]].push([i,l])}))
let at=0,chosen=-1,scale=1
function title(i){const n=D.nodes[i];return n[2]?n[1]+(D.output?' = ':': ')+n[2]:n[1]}
function goTo(step,follow=true){
at=Math.max(0,Math.min(order.length,step))
$('step').value=at
const here=at?order[at-1]:-1,place=new Map(order.map((i,k)=>[i,k+1]))
nodes.forEach((g,i)=>{
const done=place.has(i)&&place.get(i)<=at
const got=!done&&readers[i].some(([r,l])=>l[5]&&place.get(r)<=at)
g.classList.toggle('done',done);g.classList.toggle('here',i==here);g.classList.toggle('got',got)})
labels.replaceChildren()
edges.forEach((e,j)=>{
const [to,k]=D.edges[j],link=D.nodes[to][11][k],passed=link[5]&&place.get(to)<=at,now=passed&&to==here
e.classList.toggle('was',!!passed);e.classList.toggle('now',!!now)
if(passed){e.setAttribute('marker-start','url(#b)');e.removeAttribute('marker-end')}else{e.setAttribute('marker-end','url(#a)');e.removeAttribute('marker-start')}
if(now){const p=e.getPointAtLength(e.getTotalLength()/2);make(labels,'text',{class:'p',x:p.x,y:p.y+4},clip(link[5]))}})
$('now').textContent=at?`step ${at} of ${order.length}: ${D.nodes[here][1]}`:'forward pass'
if(follow&&at)select(here,true)
else if(!at)welcome()}
function welcome(){mark(-1)
const p=$('panel');p.replaceChildren()
put(p,'h2',order.length?`${D.output} and its derivatives`:'The computation')
put(p,'p',order.length?`The graph shows the forward pass: each box is a value, computed from those above it. Move the slider, or press →, to walk the backward pass: a cotangent ḡ arrives at each box, is multiplied by the derivative along each edge, and is passed on.`:'Each box is a value, computed from those above it.')
put(p,'p','Click a box, or press ↑ and ↓, to see its rule and its numbers.')}
function mark(i){if(chosen>=0)nodes[chosen].classList.remove('sel')
chosen=i
if(i>=0){nodes[i].classList.add('sel');nodes[i].scrollIntoView({block:'nearest',inline:'nearest'})}}
function select(i){mark(i)
const [kind,name,formula,,,,,shape,value,cotangent,line,links]=D.nodes[i],p=$('panel')
p.replaceChildren();put(p,'h2',title(i))
const dl=put(p,'dl'),row=(k,v,cls)=>{if(v){put(dl,'dt',k);put(dl,'dd',v,cls)}}
row('what',['a variable','a constant','','the output'][kind]);row('shape',shape);row('value',value);row('line',D.lines[line])
row(`d${D.output}/d${name}`,cotangent&&`ḡ = ${cotangent}`,'cot')
const ref=(cell,j,text)=>{if(j<0)cell.append(text);else put(cell,'a',text).onclick=()=>select(j)}
const from=readers[i].filter(([,l])=>l[5])
if(from.length){put(p,'h3',from.length>1?'ḡ is the sum of what arrives':'ḡ arrives from')
const t=put(p,'table');for(const [r,l] of from){const tr=put(t,'tr');ref(put(tr,'td'),r,D.nodes[r][1]);put(tr,'td',l[5],'cot')}}
const on=links.filter(l=>l[5])
if(on.length){put(p,'h3','and is passed on')
const t=put(p,'table'),h=put(t,'tr');['to','rule','derivative','passes on'].forEach(x=>put(h,'th',x))
for(const [j,to,rule,slope,local,passes] of on){const tr=put(t,'tr');ref(put(tr,'td'),j,to);put(tr,'td',rule);put(tr,'td',local?(slope==local?local:`${slope} = ${local}`):'');put(tr,'td',passes,'cot')}}
else if(links.length){put(p,'h3','computed from');const t=put(p,'table');for(const [j,to] of links)ref(put(put(t,'tr'),'td'),j,to)}
else if(cotangent)put(p,'p','This is where the backward pass ends: ḡ is the gradient.')}
function zoom(s){scale=Math.max(.1,Math.min(3,s));svg.setAttribute('width',W*scale);svg.setAttribute('height',H*scale)}
function fit(){const g=$('graph');zoom(Math.max(.6,Math.min(1.25,(g.clientWidth-36)/W,Math.max((g.clientHeight-36)/H,.8))))}
if(order.length)$('walk').hidden=false
$('step').max=order.length
$('step').oninput=e=>goTo(+e.target.value)
$('back').onclick=()=>goTo(at-1);$('on').onclick=()=>goTo(at+1)
$('less').onclick=()=>zoom(scale/1.25);$('more').onclick=()=>zoom(scale*1.25);$('fit').onclick=fit
onkeydown=e=>{
if(e.ctrlKey||e.metaKey||e.altKey)return
const near=list=>{if(list.length)select(list[0])}
const links=chosen>=0?D.nodes[chosen][11].map(l=>l[0]).filter(j=>j>=0):[nodes.length-1]
const keys={ArrowRight:()=>goTo(at+1),ArrowLeft:()=>goTo(at-1),Home:()=>goTo(0),End:()=>goTo(order.length),
ArrowUp:()=>near(links),ArrowDown:()=>near(chosen>=0?readers[chosen].map(r=>r[0]):[nodes.length-1]),
Escape:welcome,'+':()=>zoom(scale*1.25),'-':()=>zoom(scale/1.25),0:fit}
if(keys[e.key]){e.preventDefault();keys[e.key]()}}
onresize=fit
fit();goTo(0)
