// One chunk of a bulk load (loader.py), in one transaction: `file` has a row of JSON a line, `ofEdges` says of what.
// Answers "<duplicates>|<place>:<code of what is wrong with the row there>|...".
//
// Elements are added to the graph itself, which a traversal each would take several times as long for; so that they are
// in the journal (gremlin.groovy), its listener is told of each as a traversal tells it.
import groovy.json.JsonSlurper
import org.apache.tinkerpop.gremlin.process.traversal.strategy.decoration.EventStrategy

def types = [
    bool: { it.toBoolean() }, boolean: { it.toBoolean() }, byte: { it as Byte }, short: { it as Short },
    int: { it as Integer }, long: { it as Long }, float: { it as Float }, double: { it as Double }, string: { it },
    date: { Date.from(java.time.OffsetDateTime.parse(it.contains('T') ? it : it + 'T00:00:00Z').toInstant()) },
]
types.datetime = types.date
def single = org.apache.tinkerpop.gremlin.structure.VertexProperty.Cardinality.single
def many = org.apache.tinkerpop.gremlin.structure.VertexProperty.Cardinality.set
def graph = g.graph
def journal = g.strategies.getStrategy(EventStrategy).get().eventQueue
def slurper = new JsonSlurper()
def duplicates = 0
def failed = []

def vertex = { row ->
    def found = graph.vertices(row.id)
    if (found.hasNext()) {
        duplicates++
        def known = found.next()
        if (known.label() != row.label) return 'LABEL_DIFFERS'
        row.properties.findAll { !it[2] || updatesSingle }.each { p ->
            known.property(p[2] ? single : many, p[0], types[p[1]](p[3]))
            journal.vertexPropertyChanged(known, null, null)
        }
        return null
    }
    def made = graph.addVertex(T.id, row.id, T.label, row.label)
    row.properties.each { p -> made.property(p[2] ? single : many, p[0], types[p[1]](p[3])) }
    journal.vertexAdded(made)
    null
}
def edge = { row ->
    def found = graph.edges(row.id)
    if (found.hasNext()) {
        duplicates++
        if (updatesSingle) {
            def known = found.next()
            row.properties.each { p -> known.property(p[0], types[p[1]](p[3])) }
            journal.edgePropertyChanged(known, null, null)
        }
        return null
    }
    def tail = graph.vertices(row.from), head = graph.vertices(row.to)
    if (!tail.hasNext() || !head.hasNext()) return 'FROM_OR_TO_VERTEX_ARE_MISSING'
    def made = tail.next().addEdge(row.label, head.next(), T.id, row.id)
    row.properties.each { p -> made.property(p[0], types[p[1]](p[3])) }
    journal.edgeAdded(made)
    null
}

def place = 0
for (line in new File(file).readLines('UTF-8')) {
    def code = (ofEdges ? edge : vertex)(slurper.parseText(line))
    if (code != null) {
        failed << place + ':' + code
        if (failsOnError) break
    }
    place++
}
duplicates + '|' + failed.join('|')
